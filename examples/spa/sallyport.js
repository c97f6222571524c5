// Log-in for a single-page application whose API runs Sallyport.
//
// The access token is in a private field here and nowhere else: what is in localStorage or
// a URL, any later script, extension or log can read. The refresh token is in an HttpOnly
// cookie, which no script sees.
//
// Tabs share that cookie, so they take turns (Web Locks) and each asks the server. From tab
// to tab goes only the hint that something changed, never a token: any page of this origin
// could have written one, and the server alone knows who is logged in. It costs little:
// whoever comes second is answered out of the same rotation, also where there are no locks.

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);
const IDEMPOTENT = new Set([...SAFE, "PUT", "DELETE"]); // RFC 9110 section 9.2.2
const NOBODY = new Set(["MISSING_CREDENTIALS", "INVALID_GRANT", "INVALID_REQUEST"]);
const TRIES = 3, PATIENCE = 10; // seconds that a Retry-After may ask for while somebody waits
const ANSWER = 10_000, TURN = 15_000; // ms for an answer, and for other tabs to be done

/** The server's code and status, or UNKNOWN and 0 if nothing was heard from it. */
export class AuthError extends Error {
  name = "AuthError";
  constructor(code, status, cause) { super(`${code} (${status})`, { cause }); Object.assign(this, { code, status }); }
}

const json = (res) => res.clone().json().catch(() => ({}));
const spread = (ms) => ms * (1 + Math.random() / 2); // or all tabs of an outage come back in one second
const pause = (ms, signal) => new Promise((done, fail) => {
  setTimeout(done, ms);
  signal?.addEventListener("abort", () => fail(signal.reason));
});

// persist sends again after a 503, and when the line broke. Only for what may arrive twice.
async function persist(send, signal) {
  for (let n = 1; ; n++) {
    const res = await send().catch((problem) => { if (n === TRIES || signal?.aborted) throw problem; });
    const asked = Number(res?.headers.get("Retry-After")) || 0;
    if (res && (res.status !== 503 || n === TRIES || asked > PATIENCE)) return res;
    await pause(spread(Math.max(asked * 1000, 250 * 2 ** n)), signal);
  }
}

/**
 * state is "authenticated", "anonymous", or "unknown" while the server could not say: do not
 * take that for "anonymous". "change" is fired when the state, or maybe the user, is another.
 */
export class Sallyport extends EventTarget {
  #api; #paths; #header; #channel; #state = "unknown";
  #token = null; #expires = 0; #csrf = null; // what it knows
  #asking = null; #epoch = 0; #leaving = false; #line = Promise.resolve(); // what it is doing
  #timer; #due = 0; #failures = 0; // when it asks again

  /** Paths are relative to api. Without csrf, no request gets a token against forgery. */
  constructor({ api = location.origin, login = "/auth/login", refresh = "/auth/refresh",
    logout = "/auth/logout", csrf = "", csrfHeader = "X-CSRF-Token" } = {}) {
    super();
    [this.#api, this.#paths, this.#header] = [new URL(api), { login, refresh, logout, csrf }, csrfHeader];
  }

  get state() { return this.#state; }

  /** Finds out who is logged in, returns the state, and stays informed from then on. */
  start() {
    if (!this.#channel) {
      document.addEventListener("visibilitychange", () => { if (Date.now() >= this.#due) this.#asUsed(); });
      addEventListener("online", () => { if (this.#state === "unknown") this.#asUsed(); });
      // A page out of the back-forward cache remembers what was, and has heard nothing.
      addEventListener("pageshow", (e) => { if (e.persisted) this.#heard(); });
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = () => this.#heard();
    }
    return this.#ask();
  }

  /** Sends body as JSON. An AuthError says why nobody is logged in by it. */
  async login(body) {
    const { status, said, problem } = await this.#turn("login", body);
    if (!said.access_token) throw new AuthError(said.error ?? "UNKNOWN", status, problem);
    this.#forget();
    this.#enter(said, true);
    this.#channel?.postMessage(null);
  }

  /** Logs out in all tabs. An AuthError says that the server has not been told yet. */
  async logout() {
    this.#leaving = true; // until it is done: no refresh may undo what the user wants
    this.#forget("unknown");
    await this.#ask();
    this.#channel?.postMessage(null);
    if (this.#state !== "anonymous") throw new AuthError("UNKNOWN", 0);
  }

  /**
   * fetch with the access token, from paths of the API. With credentials: "include" cookies
   * go along, and what proves that the request is meant; by default none do, and there is
   * nothing to forge. An AuthError says that nobody knows who is asking.
   */
  async fetch(path, init = {}) {
    const url = new URL(path, this.#api);
    if (url.origin !== this.#api.origin) throw new TypeError(`no token of ${this.#api.origin} is for ${url.origin}`);
    const twice = !(init.body instanceof ReadableStream);
    const often = twice && IDEMPOTENT.has((init.method ?? "GET").toUpperCase());
    let used;
    const once = () => this.#send(url, init, used = this.#token);
    const send = () => often ? persist(once, init.signal) : once();
    await this.#known();
    const res = await send();
    // What a younger proof of identity is needed for, no younger token opens.
    if (res.status !== 401 || !used || !twice || (await json(res)).error === "STEP_UP_REQUIRED") return res;
    if (used === this.#token) this.#token = null;
    await this.#known();
    return this.#token ? send() : res;
  }

  async #known() {
    if (this.#state !== "anonymous" && !(this.#token && Date.now() < this.#expires)) await this.#ask();
    if (this.#state === "unknown") throw new AuthError("UNKNOWN", 0);
  }

  // token is undefined for the token endpoints, which guard themselves: they get a proof
  // only if something in front of them asks for it.
  async #send(url, init, token) {
    const headers = new Headers(init.headers);
    const { credentials = "omit", method = "GET", body } = init;
    const go = () => fetch(url, { redirect: "error", ...init, headers, credentials });
    if (token) headers.set("Authorization", `Bearer ${token}`);
    if (!this.#paths.csrf || credentials !== "include" || SAFE.has(method.toUpperCase())) return go();
    if (token !== undefined) headers.set(this.#header, await this.#proof());
    const res = await go();
    if (res.status !== 403 || body instanceof ReadableStream || (await json(res)).error !== "CSRF_REJECTED") return res;
    this.#csrf = null; // it was of before a log-in
    headers.set(this.#header, await this.#proof());
    return go();
  }

  async #proof() {
    const get = () => fetch(this.#url("csrf"), { credentials: "include", signal: AbortSignal.timeout(ANSWER) });
    return this.#csrf ??= (await json(await persist(get))).csrf_token ?? "";
  }

  // #turn talks to a token endpoint while no other tab does. A log-in is the user's to repeat.
  async #turn(path, body = {}) {
    const work = () => this.#send(this.#url(path), {
      method: "POST", credentials: "include", redirect: "error", signal: AbortSignal.timeout(ANSWER),
      headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const queue = () => {
      if (!navigator.locks) return this.#line = this.#line.then(work, work);
      let ours, wait = { signal: AbortSignal.timeout(TURN) }; // a tab that hangs must not hold up the others
      return navigator.locks.request(this.#name, wait, () => ours = work()).catch(() => ours ?? work());
    };
    return (path === "login" ? queue() : persist(queue)).then(
      async (res) => ({ status: res.status, said: await json(res) }), (problem) => ({ status: 0, said: {}, problem }));
  }

  #url(path) { return new URL(this.#paths[path], this.#api); }
  get #name() { return `sallyport ${this.#url("refresh")}`; }
  #ask() { return this.#asking ??= this.#question(); }

  async #question() {
    const epoch = this.#epoch, leaving = this.#leaving;
    const { status, said } = await this.#turn(leaving ? "logout" : "refresh");
    if (epoch !== this.#epoch) return this.#state === "unknown" ? this.#ask() : this.#state; // it was about before
    this.#asking = null;
    if (said.access_token) this.#enter(said);
    // Only an answer in the server's own words ends a log-in; a proxy's is none.
    else if (leaving && status === 204 || NOBODY.has(said.error)) this.#forget("anonymous");
    else {
      if (!this.#token || Date.now() >= this.#expires) this.#become("unknown");
      this.#plan(spread(1000 * 2 ** Math.min(this.#failures++, 6)));
    }
    return this.#state;
  }

  #enter({ access_token, expires_in }, anew) {
    const life = Math.min(Math.max(Number(expires_in) || 0, 1), 86_400) * 1000; // a timer has 31 bits, and 0 no end
    [this.#token, this.#expires, this.#failures] = [access_token, Date.now() + life, 0];
    this.#become("authenticated", anew);
    this.#plan(life * (0.7 + Math.random() / 5));
  }

  #become(state, anew) {
    if (state === this.#state && !anew) return;
    this.#state = state;
    this.dispatchEvent(new Event("change"));
  }

  #plan(ms) {
    clearTimeout(this.#timer);
    [this.#due, this.#timer] = [Date.now() + ms, ms < Infinity && setTimeout(() => this.#asUsed(), ms)];
  }
  // A hidden tab waits until it is looked at: one left open must not keep a log-in alive.
  #asUsed() { if (document.visibilityState !== "hidden") this.#ask(); }
  #heard() { this.#forget("unknown"); this.#ask(); }

  #forget(state) { // what is under way is about before
    [this.#token, this.#csrf, this.#asking, this.#epoch] = [null, null, null, this.#epoch + 1];
    this.#plan(Infinity);
    this.#leaving &&= state === "unknown";
    if (state) this.#become(state);
  }
}

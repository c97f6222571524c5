"use strict";

// The access token lives in this variable and nowhere else. Storage could be read by
// any script that ever runs on this origin, a URL by every log on its way.
const tokenPart = $("tokens");
if (tokenPart) {
  let token = null; // { raw, expires }

  const encode = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const decode = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const part = (raw, n) => JSON.parse(new TextDecoder().decode(decode(raw.split(".")[n])));

  const clock = (when) => new Date(when).toLocaleTimeString("en-GB"); // as the rest of the page
  const times = ["iat", "exp", "auth_time"];
  const members = (object) => Object.entries(object).map(([name, value]) =>
    `${name}: ${JSON.stringify(value)}${times.includes(name) ? ` (${clock(value * 1000)})` : ""}`).join("\n");

  // One bit of the byte in the middle, encoded again as it should be.
  const flip = (raw, n) => {
    const parts = raw.split(".");
    const bytes = decode(parts[n]);
    bytes[bytes.length >> 1] ^= 1;
    parts[n] = encode(bytes);
    return parts.join(".");
  };
  const unsigned = (raw) => {
    const header = { ...part(raw, 0), alg: "none" };
    return `${encode(new TextEncoder().encode(JSON.stringify(header)))}.${raw.split(".")[1]}.`;
  };

  const form = (fields) => ({ body: new URLSearchParams(fields), redirect: "manual" });
  const bearer = (...raw) => ({ headers: { Authorization: raw.map((r) => `Bearer ${r}`).join(", ") } });
  const issue = async (purpose) => {
    const answer = await send("/token", form({ for: purpose }));
    if (!answer.ok) throw answer;
    const body = await answer.json();
    return { raw: body.access_token, expires: new Date(body.expires) };
  };

  const meaning = {
    MISSING_CREDENTIALS: "No token came with it, so it is nobody's request.",
    TOKEN_EXPIRED: "Signed here, and its time is over. A client gets a new one.",
    INVALID_SIGNATURE: "Not a token of ours for this service. That is all a forger learns.",
    TOKEN_REVOKED: "Genuine, and worth nothing any more.",
    INVALID_REQUEST: "Two tokens, and which one counts is not for us to guess.",
    STEP_UP_REQUIRED: "The log-in that the token speaks of is too long ago.",
    FORBIDDEN: "Who it is, is clear; the role is missing.",
    INSUFFICIENT_SCOPE: "Who it is, is clear; nobody granted the token that much.",
    STORE_UNAVAILABLE: "It could not be checked just now, so nobody was let in.",
    BAD_GATEWAY: "The second process did not answer.",
  };

  // show describes a request and its answer, in the order: what was sent, what came
  // back, what that means.
  const show = async (asked, request, remark) => {
    const answer = await request;
    const body = await answer.json().catch(() => ({}));
    const li = document.createElement("li");
    const line = (text, kind, element = "p") => {
      const e = document.createElement(element);
      e.textContent = text;
      e.className = kind;
      li.append(e);
    };
    line(asked, "hint");
    line(`${answer.status} ${body.error || "OK"}`, answer.ok ? "good" : "error");
    const challenge = answer.headers.get("WWW-Authenticate");
    if (challenge) line(`WWW-Authenticate: ${challenge}`, "wrap", "code");
    line(remark || meaning[body.error] || JSON.stringify(body), "");
    $("answers").prepend(li);
    while ($("answers").children.length > 20) $("answers").lastChild.remove();
    return answer;
  };
  const whoami = (asked, raw, remark) => show(`GET /api/whoami, ${asked}`, fetch("/api/whoami", bearer(raw)), remark);
  const get = (path, asked) => show(`GET ${path}, ${asked}`, fetch(path, bearer(token.raw)));

  const tries = {
    whoami: () => get("/api/whoami", "with the token"),
    admin: () => get("/api/admin", "which wants the role admin"),
    refunds: () => get("/api/refunds", "which wants a scope that nobody here has"),
    vault: () => get("/api/vault", "which wants a log-in of at most a minute ago"),
    header: () => whoami("one bit of the header flipped", flip(token.raw, 0)),
    payload: () => whoami("one bit of the claims flipped", flip(token.raw, 1)),
    signature: () => whoami("one bit of the signature flipped", flip(token.raw, 2)),
    none: () => whoami("alg none and no signature", unsigned(token.raw)),
    audience: async () => whoami("with a genuine token for the second process", (await issue("orders")).raw),
    past: async () => whoami("with a token that was issued an hour ago", (await issue("past")).raw),
    nothing: () => show("GET /api/whoami, with the session cookie and no token", fetch("/api/whoami"),
      "An API route looks at the token alone. A cookie does not stand in for one."),
    // An expired one: were the query read, the answer would be TOKEN_EXPIRED. A
    // live one belongs in no URL.
    query: async () => show("GET /api/whoami?access_token=…, an expired one",
      fetch(`/api/whoami?access_token=${(await issue("past")).raw}`),
      "The query is not read, or the answer would be TOKEN_EXPIRED. URLs end up in logs."),
    twice: () => show("GET /api/whoami, two tokens in the Authorization header",
      fetch("/api/whoami", bearer(token.raw, token.raw))),
    body: () => show("POST /api/whoami, a token in the header and one in the form",
      send("/api/whoami", { ...form({ access_token: token.raw }), ...bearer(token.raw) })),
    greeting: () => show("GET /api/greeting, where a token is optional, without one", fetch("/api/greeting")),
    greetingBad: () => show("GET /api/greeting, where a token is optional, with a bad one",
      fetch("/api/greeting", bearer(flip(token.raw, 2))), "Optional is for no token. A bad one is refused everywhere."),
    orders: async () => show("GET /orders of the second process, with a token for it",
      fetch("/orders", bearer((await issue("orders")).raw))),
    misdirected: () => show("GET /orders of the second process, with a token for this application",
      fetch("/orders", bearer(token.raw)),
      "Its audience is another service. Otherwise each service could use at the others what it was handed."),
  };

  const end = async (path) => {
    const orders = await issue("orders");
    await whoami("before", token.raw);
    await post(path);
    await whoami(`after POST ${path}`, token.raw,
      "The application asks its revocations about every token, so this one died with the session.");
    await show(`GET /orders of the second process, after POST ${path}`, fetch("/orders", bearer(orders.raw)),
      "The second process has the keys and not the revocations, so it goes on until the token expires. That is the bound.");
    const link = document.createElement("a");
    link.href = "/";
    link.textContent = "Nobody is logged in any more. Load the page anew";
    add($("answers"), "").append(link);
    $("answers").prepend($("answers").lastChild);
  };

  const buttons = [...document.querySelectorAll("[data-try], [data-end]")];
  const enable = (on) => buttons.forEach((b) => { b.disabled = !on; });
  const run = async (step) => {
    enable(false);
    try {
      await step();
    } catch (problem) {
      if (problem instanceof Response) await show("POST /token", problem);
      else add($("answers"), String(problem));
    }
    enable(true);
  };
  for (const b of buttons) {
    if (b.dataset.try) b.addEventListener("click", () => run(tries[b.dataset.try]));
    else b.addEventListener("click", async () => {
      await run(() => end(b.dataset.end));
      enable(false);
      $("token-get").disabled = true;
      $("rotate").disabled = true;
    });
  }

  const countdown = () => {
    if (!token) return;
    const left = Math.ceil((token.expires - Date.now()) / 1000);
    $("token-expires").textContent = left > 0 ? `in ${left} s` :
      `${-left} s ago. Clocks may differ by 30 s, so it is refused from then on.`;
  };
  const got = $("token-get");
  if ("ready" in tokenPart.dataset) {
    got.disabled = false;
    got.addEventListener("click", () => run(async () => {
      token = await issue("");
      got.textContent = "Get another one";
      $("token-about").hidden = false;
      $("token-header").textContent = members(part(token.raw, 0));
      $("token-claims").textContent = members(part(token.raw, 1));
      countdown();
      await list();
    }).then(() => enable(token !== null)));
  }
  setInterval(countdown, 1000);

  const describe = (key) => {
    switch (key.state) {
      case "announced": return `Published, signs from ${clock(key.signFrom)}.`;
      case "signing": return "Signs and verifies.";
      case "retired": return `Verifies until ${clock(key.verifyUntil)}.`;
      case "revoked": return "Its tokens are refused, and it is not published.";
      default: return "";
    }
  };
  const act = async (path, fields) => {
    const answer = await send(path, form(fields));
    const body = await answer.json().catch(() => ({}));
    $("keys-result").textContent = answer.ok ? "" : `${answer.status} ${body.error || ""}: ${meaning[body.error] || ""}`;
    await list();
  };
  let listed = "";
  const list = async () => {
    const answer = await fetch("/keys");
    const text = await answer.text();
    const own = token && part(token.raw, 0).kid;
    if (!answer.ok || text + own === listed) return; // what did not change keeps its focus
    listed = text + own;
    $("keys").replaceChildren(...JSON.parse(text).map((key) => {
      const li = document.createElement("li");
      const about = document.createElement("div");
      const name = document.createElement("p");
      const kid = document.createElement("code");
      kid.textContent = `${key.kid.slice(0, 12)}…`;
      kid.title = key.kid;
      const state = document.createElement("span");
      state.className = "tag";
      state.textContent = key.state;
      name.append(kid, " ", state);
      const what = document.createElement("p");
      what.className = "hint";
      what.textContent = `${key.alg}. ${describe(key)}${key.kid === own ? " Signed your token." : ""}`;
      about.append(name, what);
      li.append(about);
      if ("ready" in tokenPart.dataset && key.state !== "revoked") {
        const revoke = document.createElement("button");
        revoke.type = "button";
        revoke.className = "quiet";
        revoke.textContent = "Revoke";
        revoke.addEventListener("click", () => act("/keys/revoke", { kid: key.kid }));
        li.append(revoke);
      }
      return li;
    }));
  };
  const refresh = () => { if (!document.hidden) list().catch(() => {}); };
  refresh();
  setInterval(refresh, 2000);
  if ("ready" in tokenPart.dataset) {
    $("rotate").disabled = false;
    $("rotate").addEventListener("click", () => act("/keys/rotate", {}));
  }
}

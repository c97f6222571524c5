"use strict";

// The two tabs are two variables with an access token each. What they share with real
// ones is the cookie jar: the refresh token is in it, and no script sees it.
const refreshPart = $("refresh");
if (refreshPart) {
  const tabs = { A: null, B: null };
  let family = ""; // its handle, which tells its events from those of other visitors
  let last = 0; // the number of the last event seen

  const claims = (raw) => JSON.parse(atob(raw.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  const issued = (raw) => raw ? `access token of ${new Date(claims(raw).iat * 1000).toLocaleTimeString("en-GB")}` : "nothing";

  // play asks the demo for what a page cannot do, and for how things stand.
  const play = async (act) => {
    const answer = await send("/auth/play", { body: new URLSearchParams({ act, after: last }) });
    if (!answer.ok) throw new Error(`POST /auth/play: ${answer.status}`);
    const scene = await answer.json();
    last = scene.last;
    $("refresh-clock").textContent = scene.clock;
    $("refresh-jar").textContent = scene.jar ? `refresh token ${scene.jar}` : "nothing";
    $("refresh-a").textContent = issued(tabs.A);
    $("refresh-b").textContent = issued(tabs.B);
    $("thief-refresh").textContent = scene.thief ? `refresh token ${scene.thief}` : "nothing";
    $("thief-access").textContent = scene.thiefAccess ? "an access token" : "nothing";
    return scene;
  };

  // What the cause of an event means.
  const stolen = "Two hold it, so one of them is a thief. Which one, nobody can tell: the family ends for both.";
  const because = {
    "refresh_family_created": "A family begins: one log-in on one device. Its first refresh token is in the jar.",
    "refresh_token_rotated rotated": "It was the latest token, and not a new one: the next one replaces it.",
    "refresh_token_rotated coalesced": "The token is so new that it is not replaced: an access token alone, and the jar keeps what it has.",
    "refresh_token_rotated repeated": "It was the token before the latest, whose answer may still be under way: the same new token again, byte for byte.",
    "refresh_token_rotated late-repeat": "It was the token before the latest, and nobody was seen to use the latest, so its answer was lost: " +
      "the same token again, byte for byte, and the access tokens that came with it before are void.",
    "authn_token_reuse reuse:late-after-confirm": `This token was replaced, and its successor is in use. ${stolen}`,
    "authn_token_reuse reuse:older": `This token was replaced more than once. ${stolen}`,
    "authn_token_reuse late-unconfirmed": "An answer that was lost for more than a day cannot be told from a theft: the family ends.",
    "refresh_family_expired logout": "The family is over, with its access tokens and whatever copies there are.",
    "refresh_token_refused gone": "The family is over, so a token of it is worth nothing, whoever holds it.",
    "token_refused revoked": "Genuine, and worth nothing any more: its answer was voided, or its family is over.",
    "token_refused expired": "Its time is over. A client refreshes.",
    "subject_revoked all": "Every family of the user, on every device, is over at once, with its access tokens.",
  };
  const refusals = {
    MISSING_CREDENTIALS: "There was no token to send.",
    EMPTY_JAR: "There is nothing in it.",
    CSRF_REJECTED: "The request did not come from a page of this application.",
    STORE_UNAVAILABLE: "It could not be decided just now. Nothing is lost: try again with the same token.",
  };

  // A request of a tab. What comes back is what was answered, and to whom.
  const json = { method: "POST", headers: { "Content-Type": "application/json" } };
  const request = async (who, path, options) => {
    const answer = await (options.method === "POST" ? send : fetch)(path, options);
    const body = await answer.json().catch(() => ({}));
    if (body.access_token) {
      tabs[who] = body.access_token;
      family = claims(body.access_token).sid;
    }
    return { who: `Tab ${who}`, status: answer.status, error: body.error };
  };
  const refresh = (who, path = "/auth/refresh") => request(who, path, { ...json, body: "{}" });
  const played = async (who, act) => {
    const scene = await play(act);
    const empty = act === "steal" && !scene.thief && "EMPTY_JAR";
    return { who, status: scene.status, error: scene.error || empty, events: scene.events };
  };
  const bearer = (raw) => raw ? { headers: { Authorization: `Bearer ${raw}` } } : {};

  const used = "Accepted. An access token that is used says that its answer has arrived, and that is noted.";
  const steps = {
    login: ["Tab A logs in", () => {
      tabs.A = tabs.B = null;
      const { user, password } = refreshPart.dataset;
      return [request("A", "/auth/login", { ...json, body: JSON.stringify({ user, password }) })];
    }],
    a: ["Tab A refreshes", () => [refresh("A")]],
    b: ["Tab B refreshes", () => [refresh("B")]],
    // Each is held on its way for two seconds, or the answer to one might be in the jar
    // before the browser sends the other.
    both: ["Tab A and tab B refresh at once, and both requests carry the same token", () =>
      [refresh("A", "/auth/refresh-late"), refresh("B", "/auth/refresh-late")]],
    lose: ["Tab A refreshes, and the answer is lost on its way", () => [played("The network", "lose")],
      "Nobody has got it: the jar is as it was."],
    use: ["Tab A uses its access token", () => [request("A", "/auth/whoami", bearer(tabs.A))], used],
    steal: ["The thief copies the jar", () => [played("", "steal")], "The same token is in two places now, and nobody can know."],
    catch: ["Tab A refreshes, and the thief catches the answer", () => [played("The thief", "catch")],
      "Tab A has got nothing, and the jar is as it was: what came back is his."],
    thief: ["The thief refreshes", () => [played("The thief", "refresh")]],
    loot: ["The thief uses his access token", () => [played("The thief", "use")], used],
    minute: ["A minute passes", () => [played("", "minute")], "Longer than any request is under way."],
    hour: ["An hour passes", () => [played("", "hour")], "Every access token has expired. Refresh tokens live for days."],
    logout: ["Tab A logs out", () => [request("A", "/auth/logout", { ...json, body: "{}" })]],
    everywhere: ["Tab A logs out everywhere", () =>
      [request("A", "/auth/logout-everywhere", { method: "POST", ...bearer(tabs.A) })]],
  };
  const stories = {
    tabs: ["login", "minute", "both", "a", "use"],
    lost: ["login", "lose", "a", "minute", "lose", "hour", "a", "use"],
    voided: ["login", "catch", "minute", "a", "loot", "use"],
    theft: ["login", "steal", "minute", "thief", "loot", "minute", "b", "thief", "loot"],
    everywhere: ["login", "steal", "everywhere", "use", "b", "thief"],
  };

  const take = async (name) => {
    const [what, act, remark] = steps[name];
    const answers = await Promise.all(act());
    // The demo's own requests bring their events along, the others' are asked for.
    const events = answers.flatMap((a) => a.events || []).concat((await play("")).events);
    const why = new Set(events.filter((e) => !e.session || e.session === family)
      .map((e) => because[e.cause ? `${e.name} ${e.cause}` : e.name] || because[e.name]).filter(Boolean));
    for (const a of answers) if (refusals[a.error]) why.add(refusals[a.error]);
    if (remark && answers.every((a) => !a.error)) why.add(remark);

    const li = document.createElement("li");
    const line = (text, kind) => {
      const p = document.createElement("p");
      p.textContent = text;
      p.className = kind;
      li.append(p);
    };
    line(what, "hint");
    for (const { who, status, error } of answers) {
      if (status) line(`${answers.length > 1 ? `${who}: ` : ""}${status} ${error || "OK"}`, error ? "error" : "good");
    }
    for (const sentence of why) line(sentence, "");
    $("story").append(li);
    while ($("story").children.length > 40) $("story").firstChild.remove();
    $("story").scrollTop = $("story").scrollHeight;
  };

  const buttons = [...document.querySelectorAll("[data-step], [data-story]")];
  const enable = (on) => buttons.forEach((b) => { b.disabled = !on; });
  const run = async (names) => {
    enable(false);
    try {
      for (const name of names) await take(name);
    } catch (problem) {
      add($("story"), String(problem));
    }
    enable(true);
  };
  for (const b of buttons) {
    b.addEventListener("click", () => {
      if (b.dataset.story) $("story").replaceChildren();
      run(b.dataset.story ? stories[b.dataset.story] : [b.dataset.step]);
    });
  }
  play("").then(() => enable(true), () => {});
}

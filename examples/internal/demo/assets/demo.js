"use strict";

// Whatever comes from the server is put into the page as text, never as markup:
// events quote what clients sent.
const $ = (id) => document.getElementById(id);
const add = (list, text) => {
  const li = document.createElement("li");
  li.textContent = text;
  list.append(li);
  return li;
};
// What changes something carries the token of the log-in that the page was made for, or of
// the next one.
let proof = document.querySelector('meta[name="csrf-token"]').content;
const send = async (path, init) => {
  const go = () => fetch(path, { ...init, method: "POST", headers: { ...init.headers, "X-CSRF-Token": proof } });
  const answer = await go();
  if (answer.status !== 403 || (await answer.clone().json().catch(() => ({}))).error !== "CSRF_REJECTED") return answer;
  proof = (await (await fetch("/csrf")).json()).csrf_token;
  return go();
};
const post = (path) => send(path, { redirect: "manual" });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const experiment = (button, run) => {
  if (!button) return;
  button.disabled = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    const over = await run().catch(() => false);
    button.disabled = over === true;
  });
};

experiment($("ten"), async () => {
  const before = Number($("clicks").textContent);
  const answers = await Promise.all(Array.from({ length: 10 }, () => post("/click")));
  const failed = answers.filter((a) => !a.ok).length;
  const { clicks } = await (await fetch("/clicks")).json();
  $("clicks").textContent = clicks;
  $("ten-result").textContent = `${before} before, ${clicks} after: ${clicks - before} of 10 counted` +
    (failed ? `, ${failed} refused.` : ".");
});

const race = $("race");
if (race && "ready" in race.dataset) {
  experiment(race, async () => {
    const list = $("race-result");
    list.replaceChildren();
    let alive = false;
    const say = async (what, answer) => {
      const { status } = await answer;
      alive ||= status !== 401;
      add(list, `${what}: ${status}`);
    };
    // All three leave with the cookie of now and come to their point in two seconds.
    const late = [
      say("Slow write 1, let in before the log-out and stored after it", post("/slow")),
      say("Slow write 2, likewise", post("/slow")),
      say("A request with the same cookie that was checked after it", post("/late")),
    ];
    await pause(500);
    await post("/logout");
    add(list, "Logged out while three requests are under way");
    await Promise.all(late);
    await say("Who am I, asked now", fetch("/me"));
    add(list, alive ? "Something got through!" : "The session stayed dead. See the dropped writes among the events.");
    const link = document.createElement("a");
    link.href = "/";
    link.textContent = "Load the page anew";
    add(list, "").append(link);
    return true; // nobody is logged in any more
  });
}

const events = $("events");
if (events) {
  const source = new EventSource("/events");
  source.onmessage = (message) => {
    const e = JSON.parse(message.data);
    const li = document.createElement("li");
    const cell = (kind, text) => {
      const span = document.createElement("span");
      span.className = kind;
      span.textContent = text;
      li.append(span);
    };
    li.title = e.userAgent || "";
    cell("time", e.time);
    cell("name", e.name);
    cell("about", [e.cause, e.subject, e.session && `session ${e.session}`,
      e.key && `key ${e.key}`, e.error].filter(Boolean).join(" · "));
    events.prepend(li);
    while (events.children.length > 200) events.lastChild.remove();
  };
  addEventListener("pagehide", () => source.close());
}

import { Sallyport } from "./sallyport.js";

const $ = (id) => document.getElementById(id);
const meanings = {
  authenticated: "There is an access token, and it is renewed before it expires.",
  anonymous: "The server said so: nobody is logged in.",
  unknown: "The server has not said. That is no log-out: the page keeps asking and sends nobody away.",
};

const apis = await (await fetch("apis.json")).json();
const name = () => decodeURIComponent(location.hash.slice(1));
const api = apis.find((a) => a.name === name()) ?? apis[0];
const auth = new Sallyport({ api: api.url, csrf: "/csrf" });

// What comes from a server goes into the page as text, never as markup.
const log = (text, kind = "") => {
  const li = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString("en-GB");
  li.className = kind;
  li.append(time, " ", text);
  $("log").prepend(li);
  while ($("log").children.length > 50) $("log").lastChild.remove();
};

const show = () => {
  const { state } = auth;
  $("state").textContent = $("state").dataset.state = state;
  $("meaning").textContent = meanings[state];
  $("login").hidden = state !== "anonymous";
  $("log-out").hidden = state === "anonymous";
};

const act = (button, what, run) => $(button).addEventListener("click", async () => {
  $(button).disabled = true;
  try {
    log(`${what}: ${await run()}`);
  } catch (problem) {
    log(`${what}: ${problem.message}`, "error");
  }
  $(button).disabled = false;
});
const ask = async (path, init) => {
  const res = await auth.fetch(path, init);
  const body = await res.text();
  return `${res.status} ${body.length > 200 ? `${body.slice(0, 200)}…` : body}`;
};

act("me", `GET ${api.me}`, () => ask(api.me));
act("click", `POST ${api.click}`, () => ask(api.click, { method: "POST", credentials: "include" }));
act("log-out", "Log out", async () => (await auth.logout(), "done, in every tab"));
$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("problem").textContent = "";
  $("log-in").disabled = true;
  try {
    await auth.login({ user: $("user").value, password: $("password").value });
    $("password").value = "";
  } catch ({ status, message }) {
    $("problem").textContent = status === 401 ? "Wrong user or password." : `That did not work: ${message}`;
  }
  $("log-in").disabled = false;
});

for (const a of apis.length > 1 ? apis : []) {
  const link = document.createElement("a");
  link.href = `#${encodeURIComponent(a.name)}`;
  link.textContent = a.name;
  if (a === api) link.ariaCurrent = "true";
  $("apis").append(link);
}
// A token of one API is nothing to another: begin anew.
addEventListener("hashchange", () => location.reload());
$("tab").href = `#${encodeURIComponent(api.name)}`;
$("api").textContent = api.url;
if (api.hint) log(api.hint);

auth.addEventListener("change", () => { show(); log(auth.state); });
show();
await auth.start();
show();

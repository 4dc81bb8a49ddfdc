// The page's only script. It calls the people-facing API and
// navigator.credentials, and writes text, never HTML.
"use strict";

const api = "/api/v1";
const at = (id) => document.getElementById(id);
const say = (text) => { at("said").textContent = text; };

// call answers with the JSON of a success and throws what else the server says.
async function call(method, path, body) {
  const init = { method, headers: {}, credentials: "same-origin", redirect: "error" };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(api + path, init);
  if (answer.status === 204) return null;
  const said = await answer.json();
  if (!answer.ok) {
    const error = new Error(said.detail + (said.hint ? " (" + said.hint + ")" : ""));
    error.status = answer.status;
    error.reason = said.reason;
    throw error;
  }
  return said;
}

// attempt runs what a person asked for, and says what went wrong. Who is signed in
// no more, or must prove it anew, comes to where that is done; the page's address
// stays, so that they go on where they were.
async function attempt(work) {
  say("");
  try {
    await work();
  } catch (error) {
    if (error.reason === "step-up") {
      show("sign-in");
      say("That wants a fresh proof that it is you: sign in again, then repeat it.");
    } else if (error.status === 401 && at("sign-in").hidden) {
      show("sign-in");
      say("Your session is over: sign in again.");
    } else {
      say(error.message);
    }
  }
}

// withPasskey runs what asks the browser for a passkey, whose own words for a
// refusal help nobody.
async function withPasskey(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name === "NotAllowedError") throw new Error("No passkey was used: you cancelled, your device did not recognise you, or it has none for this page.");
    if (error.name === "InvalidStateError") throw new Error("This device has a passkey of yours already.");
    throw error;
  }
}

function show(...sections) {
  for (const section of document.querySelectorAll("section")) section.hidden = !sections.includes(section.id);
  if (sections.includes("sign-in")) at("signed-in").hidden = true;
  if (sections.length) at(sections[0]).querySelector("h2").focus();
}

function wanted() {
  const code = location.hash.slice(1);
  return /^[A-Z2-7]{4}-[A-Z2-7]{4}$/.test(code) ? code : "";
}

// request is the id of what somebody is asked to approve, from the page's address.
function request() {
  const id = location.hash.slice(1);
  return /^[0-9a-f]{16}$/.test(id) ? id : "";
}

let me = null; // who is signed in
let asked = null; // the request that is shown

const subject = (r) => r.action + (r.app ? " of " + r.app : "") + " on " + r.subject + ", asked by " + (r.requesterName || r.requester);

// fill makes a list of texts.
function fill(list, texts) {
  list.replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}

function showRequest(r) {
  asked = r;
  const open = r.state === "open";
  const own = r.requester === me.id || r.person === me.id;
  at("asked").textContent = !open ? "This request is " + r.state : own ? "You asked others to approve" : "You are asked to approve";
  at("what").textContent = subject(r);
  const entries = Object.entries(r.parameters).sort();
  if (r.payload) entries.push(["SHA-256 of what is signed", r.payload]);
  entries.push(["asked by", r.requester], ["request", r.id]);
  const list = at("parameters");
  list.replaceChildren();
  for (const [name, value] of entries) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  }
  const counting = r.approvals.filter((a) => a.counts).length;
  at("progress").textContent = counting + " of " + r.needed + " approvals, by " + r.roles.join(" or ") +
    (open ? ". It waits until " + new Date(r.expires).toLocaleString() + "." : ".") + (r.outcome ? " Because: " + r.outcome : "");
  fill(at("given"), r.approvals.map((a) => (a.login || a.person) + " approved it at " + new Date(a.created).toLocaleString() + (a.counts ? "" : ", which counts no more")));
  at("why-not").textContent = open && r.whyNot ? "You cannot approve it: " + r.whyNot + "." : "";
  at("do-it").hidden = !r.options;
  at("why").textContent = own ? "Take it back: why?" : "Reject it, for good: why?";
  at("reject").textContent = own ? "Take it back" : "Reject";
  at("do-reject").hidden = !(open || r.state === "granted") || !own && !r.options;
  show("approve");
}

async function showWaiting() {
  const waiting = (await call("GET", "/approvals?state=open")).approvals;
  at("nothing").hidden = waiting.length > 0;
  at("waiting").replaceChildren(...waiting.map((r) => {
    const line = document.createElement("li");
    const link = document.createElement("a");
    link.href = "#" + r.id;
    link.textContent = subject(r);
    line.append(link);
    return line;
  }));
}

async function showPasskeys() {
  const passkeys = (await call("GET", "/passkeys")).passkeys;
  at("none").hidden = passkeys.length > 0;
  const list = at("passkeys");
  list.replaceChildren();
  for (const key of passkeys) {
    const line = document.createElement("li");
    const used = key.used ? ", last used " + new Date(key.used).toLocaleString() : "";
    const name = key.label || key.id;
    line.textContent = name + ", since " + new Date(key.created).toLocaleDateString() + used;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "Remove";
    remove.setAttribute("aria-label", "Remove " + name);
    remove.addEventListener("click", () => {
      if (!confirm("Remove " + name + "? It signs in and approves no more.")) return;
      attempt(async () => { await call("DELETE", "/passkeys/" + key.id); await signedIn(); });
    });
    line.append(remove);
    list.append(line);
  }
}

async function signedIn() {
  const account = await call("GET", "/account");
  me = account.person;
  at("who").textContent = me.login;
  at("signed-in").hidden = false;
  const code = wanted();
  if (code) {
    show();
    const from = await call("GET", "/sign-in-requests/" + code);
    at("from").textContent = from.address;
    at("program").textContent = from.program;
    at("code").textContent = code;
    at("asks").textContent = from.stepUp ? "Your terminal asks for a proof that it is you" : "A program asks to be signed in as you";
    at("doing").hidden = !from.stepUp;
    at("what-for").textContent = from.for || "it does not say";
    at("ran").textContent = from.stepUp ? "that command" : "sealift login --browser";
    at("do-confirm").textContent = from.stepUp ? "It shows the same code: it is me" : "It shows the same code: sign it in";
    show("confirm");
    return;
  }
  if (request()) {
    show();
    showRequest(await call("GET", "/approvals/" + request()));
    return;
  }
  if (me.state === "accepted") {
    await showPasskeys();
    show("account");
    say("You may do nothing else until others have confirmed that it was you who accepted the invitation. Register a passkey, then tell whoever invited you.");
    return;
  }
  await Promise.all([showWaiting(), showPasskeys()]);
  show("requests", "account");
}

at("with-passkey").addEventListener("click", () => attempt(async () => {
  const asked = await call("POST", "/sessions/passkey/begin");
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked.options.publicKey);
  const credential = await withPasskey(() => navigator.credentials.get({ publicKey }));
  await call("POST", "/sessions/passkey/finish", { ceremony: asked.ceremony, credential: credential.toJSON(), cookie: true });
  await signedIn();
}));

at("with-code").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  attempt(async () => {
    const { login, password, code } = Object.fromEntries(new FormData(form));
    form.elements.code.value = "";
    await call("POST", "/sessions", { login, password, code, cookie: true });
    form.reset();
    await signedIn();
  });
});

// At the issuer: what the browser has to remember is kept in this tab.
const kept = "sealift-oidc";

at("with-issuer").addEventListener("click", () => attempt(async () => {
  const asked = await call("POST", "/sessions/oidc/begin");
  sessionStorage.setItem(kept, JSON.stringify({ ceremony: asked.ceremony, hash: location.hash }));
  location.assign(asked.url);
}));

// back takes what the issuer sent the browser back with, if it did, out of the
// address, and signs in with it.
async function back() {
  const said = new URLSearchParams(location.search);
  if (!said.has("state")) return;
  const going = JSON.parse(sessionStorage.getItem(kept) || "{}");
  history.replaceState(null, "", location.pathname + (going.hash || ""));
  if (!going.ceremony) throw new Error("This sign-in was not begun in this tab. Begin again.");
  if (!said.has("code")) {
    sessionStorage.removeItem(kept);
    throw new Error("The issuer did not sign you in: " + (said.get("error_description") || said.get("error")));
  }
  try {
    await call("POST", "/sessions/oidc/finish", { ceremony: going.ceremony, state: said.get("state"), code: said.get("code"), cookie: true });
  } catch (error) {
    if (error.reason !== "second-factor") {
      sessionStorage.removeItem(kept);
      throw error;
    }
    show("second");
    say(error.message);
    return "second";
  }
  sessionStorage.removeItem(kept);
}

at("prove").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  say("");
  try {
    const { code } = Object.fromEntries(new FormData(form));
    form.reset();
    const going = JSON.parse(sessionStorage.getItem(kept) || "{}");
    await call("POST", "/sessions/oidc/prove", { ceremony: going.ceremony || "", code, cookie: true });
    sessionStorage.removeItem(kept);
    await signedIn();
  } catch (error) {
    say(error.message);
    if (error.reason === "ceremony") show("sign-in"); // else another code may be right
  }
});

// offerIssuer shows the button where the server has an issuer.
async function offerIssuer() {
  const { issuer } = await call("GET", "/sessions/oidc");
  at("issuer-name").textContent = issuer.split("//").pop();
  at("issuer").hidden = !issuer;
}

at("do-confirm").addEventListener("click", () => attempt(async () => {
  await call("POST", "/sign-in-requests/" + wanted());
  show();
  say("Done: go on in the terminal. You may close this page.");
}));

at("do-approve").addEventListener("click", () => attempt(async () => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked.options.publicKey);
  const credential = await withPasskey(() => navigator.credentials.get({ publicKey }));
  showRequest(await call("POST", "/approvals/" + asked.id + "/approve", { credential: credential.toJSON() }));
  say(asked.state === "open" ? "You approved it. It waits for others." : "You approved it: nobody else is needed.");
}));

at("do-reject").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  attempt(async () => {
    const rejected = await call("POST", "/approvals/" + asked.id + "/reject", { reason: form.elements.reason.value });
    form.reset();
    showRequest(rejected);
    say(rejected.state === "rejected" ? "You rejected it." : "You took it back.");
  });
});

window.addEventListener("hashchange", () => attempt(signedIn));

at("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  attempt(async () => {
    const asked = await call("POST", "/passkeys/begin");
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(asked.options.publicKey);
    const credential = await withPasskey(() => navigator.credentials.create({ publicKey }));
    await call("POST", "/passkeys/finish", { ceremony: asked.ceremony, label: form.elements.label.value, credential: credential.toJSON() });
    form.reset();
    await signedIn();
  });
});

at("sign-out").addEventListener("click", () => attempt(async () => {
  try {
    const account = await call("GET", "/account");
    await call("DELETE", "/sessions/" + account.session.id);
  } catch (error) {
    if (error.status !== 401) throw error; // it had ended before
  }
  me = null;
  show("sign-in");
}));

attempt(async () => {
  await offerIssuer();
  try {
    if (await back() === "second") return;
  } catch (error) {
    show("sign-in");
    throw error;
  }
  try {
    await signedIn();
  } catch (error) {
    if (error.status !== 401) throw error;
    show("sign-in");
  }
});

// The page of vgg serve: asks the server that it came from, one picture a request, a few at a time.
"use strict";
const AT_ONCE = 4, TRIES = 8, TOP = 5, LOOK = 3;
const $ = id => document.getElementById(id);
const models = new Map(), waiting = [], done = [];
let running = 0, asked = 0, key = "";

function make(tag, text, kind) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}
const percent = value => (100 * value).toFixed(1) + " %";
const nameOf = entry => entry.label === null ? "class " + entry.index : entry.label;
const headers = () => key ? { Authorization: "Bearer " + key } : {};
const pause = seconds => new Promise(go => setTimeout(go, 1000 * seconds));

function complain(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

// ---- models
async function loadModels() {
  let answer;
  try {
    answer = await fetch("v2/models", { headers: headers() });
  } catch {
    complain("The server cannot be reached.");
    return;
  }
  $("key-form").hidden = answer.status !== 401;
  if (answer.status === 401) {
    $("key-wrong").hidden = !key;
    $("key").focus();
    return;
  }
  complain("");
  models.clear();
  for (const model of await answer.json()) models.set(model.name, model);
  $("model").replaceChildren(...[...models.keys()].map(name => new Option(name, name)));
  $("other").replaceChildren(new Option("no other", ""), ...[...models.keys()].map(name => new Option(name, name)));
  $("other").disabled = models.size < 2;
  showCards();
}

function chosen() {
  const names = [$("model").value];
  if ($("other").value && $("other").value !== names[0]) names.push($("other").value);
  return names.filter(name => name);
}

function showCards() {
  $("cards").replaceChildren(...chosen().map(name => {
    const model = models.get(name), card = make("div", undefined, "panel"), list = make("dl");
    const [, channels, height, width] = model.inputs.find(input => input.name === "input").shape;
    const labels = model.parameters.labels;
    const facts = [["Version", model.versions.join(", ")], ["Network", model.parameters.arch],
      ["Pictures become", `${width} × ${height}, ${channels === 1 ? "grey" : "in colour"}`],
      ["Answers", model.parameters.multi_label ? "any of the classes, each by itself" : "one of the classes"],
      ["Classes", String(model.outputs.find(output => output.name === "logits").shape[1])]];
    for (const [term, text] of facts) list.append(make("dt", term), make("dd", text));
    card.append(make("h3", name), list);
    if (labels) {
      const all = make("details");
      all.append(make("summary", "Their names"), make("p", labels.join(", ")));
      card.append(all);
    }
    return card;
  }));
}

// ---- asking
// Comes back while the server has no room.
async function request(path, options) {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(path, options);
    if (answer.ok) return answer;
    if (answer.status === 401) loadModels();
    if (answer.status !== 503 || attempt === TRIES) throw new Error((await answer.json()).error);
    await pause(Number(answer.headers.get("Retry-After") || 1) * (0.5 + Math.random()));
  }
}
const get = path => request(path, { headers: headers() });
const post = (path, body, more) => request(path, {
  method: "POST", body, headers: { ...headers(), "Content-Type": "application/octet-stream", ...more } });

async function ask(model, file) {
  return (await (await post(`predict?top=${TOP}&model=${encodeURIComponent(model)}`, file)).json())[0];
}

function showAnswer(card, model, answer, second) {
  const list = make("ul", undefined, second ? "bars second" : "bars");
  const part = make("div");
  if (card.names.length > 1) part.append(make("h4", model));
  for (const entry of answer.predictions) {
    const item = make("li"), label = make("span", undefined, "label"), bar = make("span", undefined, "bar"), fill = make("span");
    label.append(make("span", nameOf(entry)), make("span", percent(entry.probability)));
    fill.style.width = percent(entry.probability).replace(" ", "");
    bar.setAttribute("aria-hidden", "true");
    bar.append(fill);
    item.append(label, bar);
    list.append(item);
  }
  const buttons = make("p", undefined, "row"), acts = [
    ["Why?", "why", `Why ${nameOf(answer.predictions[0])}?`, explain],
    ["Feature maps", "inside", "Feature maps:", showMaps]];
  if (models.get(model).parameters.index) acts.push(["Similar pictures", "similar", "Pictures similar to", showSimilar]);
  for (const [text, kind, label, act] of acts) {
    const button = make("button", text, kind);
    button.type = "button";
    button.setAttribute("aria-label", `${label} ${card.file.name}, ${model}`);
    button.addEventListener("click", () => act(card, model, answer.predictions, button));
    buttons.append(button);
  }
  part.append(list, buttons);
  card.answers.append(part);
}

function keepRow(name, model, best, seconds) {
  const row = make("tr");
  done.push([name, model, nameOf(best), best.probability, seconds]);
  row.append(make("td", name), make("td", model), make("td", nameOf(best)), make("td", percent(best.probability)),
    make("td", seconds.toFixed(3)));
  $("rows").append(row);
  $("list").hidden = false;
  $("export").disabled = $("clear").disabled = false;
}

async function work(card) {
  const said = [], likeliest = [];
  card.state.textContent = "is looked at";
  for (const [i, model] of card.names.entries()) {
    const begun = performance.now();
    try {
      const answer = await ask(model, card.file), best = answer.predictions[0];
      if (card.gone) return;
      showAnswer(card, model, answer, i > 0);
      keepRow(card.file.name, model, best, (performance.now() - begun) / 1000);
      likeliest.push(nameOf(best));
      said.push(nameOf(best) + ", " + percent(best.probability));
    } catch (error) {
      card.state.textContent = error.message;
      card.state.classList.add("bad");
      $("news").textContent = card.file.name + ": " + error.message;
      $("clear").disabled = false;
      return;
    }
  }
  card.state.textContent = card.names.length < 2 ? ""
    : likeliest[0] === likeliest[1] ? "Both say the same." : "They do not agree.";
  card.state.hidden = !card.state.textContent;
  $("news").textContent = card.file.name + ": " + said.join("; ");
}

function go() {
  while (running < AT_ONCE && waiting.length) {
    running++;
    work(waiting.shift()).finally(() => { running--; go(); });
  }
  const left = running + waiting.length;
  $("count").textContent = asked ? `${asked} picture${asked > 1 ? "s" : ""}` + (left ? `, ${left} to come` : "") : "";
}

function add(files) {
  const names = chosen();
  if (!names.length) return;
  for (const file of files) {
    const item = $("result-template").content.firstElementChild.cloneNode(true), image = item.querySelector("img");
    const card = { file, names, item, state: item.querySelector(".state"), answers: item.querySelector(".answers"), url: URL.createObjectURL(file) };
    item.querySelector("h3").textContent = file.name;
    image.src = card.url;
    image.addEventListener("error", () => { image.hidden = true; });
    item.card = card;
    item.classList.toggle("two", names.length > 1);
    $("results").prepend(item);
    waiting.push(card);
    asked++;
  }
  $("empty").hidden = asked > 0;
  go();
}

// ---- what was answered
function csv() {
  const field = value => /[",\r\n]/.test(value) ? '"' + String(value).replaceAll('"', '""') + '"' : String(value);
  return ["image,model,label,probability,seconds", ...done.map(row => row.map(field).join(","))].join("\r\n") + "\r\n";
}

function save() {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = "answers.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function clear() {
  for (const item of $("results").children) {
    URL.revokeObjectURL(item.card.url);
    item.card.gone = true;
  }
  waiting.length = done.length = asked = 0;
  $("results").replaceChildren();
  $("rows").replaceChildren();
  $("list").hidden = true;
  $("empty").hidden = false;
  $("export").disabled = $("clear").disabled = true;
  $("news").textContent = "Cleared.";
  $("files").focus();
  go();
}

// ---- a training
let shown = null, newest = null;

function showReport(version) {
  shown = version;
  $("newer").hidden = $("run-empty").hidden = true;
  $("run-frame").hidden = false;
  $("run-frame").src = "report.html?" + encodeURIComponent(version);
}

// Looks again and again, while somebody looks at the page, whether its report is another.
async function watchRun() {
  let run = null;
  try {
    const answer = document.hidden && shown !== null ? null : await fetch("page.json");
    run = answer?.ok ? (await answer.json()).run : null;
    if (answer?.ok && run === null && shown === null) return;
  } catch {
    // The server is away, and may come back.
  }
  if (run !== null) {
    $("run").hidden = false;
    $("run-name").textContent = run.name;
  }
  if (run !== null && run.version !== null && run.version !== shown) {
    if (shown !== null && run.version !== newest) $("news").textContent = "There is a new report of the training.";
    $("newer").hidden = false;
    newest = run.version;
    if (shown === null || $("follow").checked) showReport(run.version);
  }
  setTimeout(watchRun, 1000 * LOOK);
}

// ---- the camera
async function photograph() {
  try {
    $("video").srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    complain("There is no camera that this page may use.");
    return;
  }
  complain("");
  $("camera").showModal();
}

function leave() {
  for (const track of $("video").srcObject?.getTracks() ?? []) track.stop();
  $("video").srcObject = null;
}

function shoot() {
  const canvas = make("canvas"), video = $("video");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob(blob => {
    add([new File([blob], `photograph-${asked + 1}.jpg`, { type: "image/jpeg" })]);
    $("camera").close();
  }, "image/jpeg", 0.92);
}

// ---- where pictures come from
const drop = $("drop");
for (const kind of ["dragenter", "dragover"])
  addEventListener(kind, event => { event.preventDefault(); drop.classList.add("over"); });
addEventListener("dragleave", event => { if (!event.relatedTarget) drop.classList.remove("over"); });
addEventListener("drop", event => {
  event.preventDefault();
  drop.classList.remove("over");
  add(event.dataTransfer.files);
});
addEventListener("paste", event => {
  if (event.clipboardData.files.length) add(event.clipboardData.files);
});
$("files").addEventListener("change", event => { add(event.target.files); event.target.value = ""; });
$("photograph").addEventListener("click", photograph);
$("shoot").addEventListener("click", shoot);
$("leave").addEventListener("click", () => $("camera").close());
$("camera").addEventListener("close", leave);
$("newer").addEventListener("click", () => { showReport(newest); $("follow").focus(); });
$("export").addEventListener("click", save);
$("clear").addEventListener("click", clear);
$("model").addEventListener("change", showCards);
$("other").addEventListener("change", showCards);
$("key-form").addEventListener("submit", event => { event.preventDefault(); key = $("key").value; loadModels(); });
loadModels();
watchRun();

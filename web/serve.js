// The page of vgg serve: asks the server that it came from, one picture a request, a few at a time.
"use strict";
const AT_ONCE = 4, TRIES = 8, TOP = 5, MAPS = 48, LOOK = 3;
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
async function post(path, body, more) {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(path, {
      method: "POST", body, headers: { ...headers(), "Content-Type": "application/octet-stream", ...more } });
    if (answer.ok) return answer;
    if (answer.status === 401) loadModels();
    if (answer.status !== 503 || attempt === TRIES) throw new Error((await answer.json()).error);
    await pause(Number(answer.headers.get("Retry-After") || 1) * (0.5 + Math.random()));
  }
}

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
  const buttons = make("p", undefined, "row");
  for (const [text, kind, label, act] of [
    ["Why?", "why", `Why ${nameOf(answer.predictions[0])}?`, explain],
    ["Feature maps", "inside", "Feature maps:", showMaps]]) {
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

// ---- looking inside
const layersOf = model => models.get(model).parameters.layers.filter(layer => layer.shape.length === 4)
  .map(layer => [layer.paper_name || layer.name, layer.name]);

// A select with its label; `act` is called with what is chosen.
function choice(text, entries, act) {
  const label = make("label", text + " "), select = make("select");
  select.append(...entries.map(([name, value]) => new Option(name, value)));
  select.addEventListener("change", () => act(select.value));
  label.append(select);
  return label;
}

function classesOf(model, likely) {
  const found = new Set(likely.map(entry => entry.index)), labels = models.get(model).parameters.labels || [];
  return [...likely, ...labels.map((label, index) => ({ label, index })).filter(entry => !found.has(entry.index))]
    .map(entry => [nameOf(entry), entry.index]);
}

// What the network sees, the map laid over it as strong as the slider says.
async function explain(card, model, likely, button) {
  const figure = make("figure"), stack = make("div", undefined, "stack"), caption = make("figcaption");
  const strength = make("input"), label = make("label", "Map "), trouble = make("p", undefined, "bad");
  const plain = make("img"), map = make("img"), asked = { class: likely[0].index, layer: "" };
  const classes = classesOf(model, likely);
  let newest = 0;

  async function load(image, query) {
    const answer = await post(`explain?model=${encodeURIComponent(model)}&${query}`, card.file);
    const url = URL.createObjectURL(await answer.blob());
    image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    return url;
  }
  async function draw() {
    const number = ++newest, layer = asked.layer && "&layer=" + encodeURIComponent(asked.layer);
    const text = "What speaks for " + classes.find(entry => entry[1] === asked.class)[0];
    const url = await load(map, `class=${asked.class}${layer}`);
    if (number !== newest) return;
    map.src = url;
    map.alt = `${text} in ${card.file.name}, by ${model}`;
    caption.textContent = text;
    $("news").textContent = text + ".";
  }
  async function redraw(change) {
    Object.assign(asked, change);
    trouble.textContent = "";
    await draw().catch(error => { trouble.textContent = $("news").textContent = error.message; });
  }

  button.disabled = true;
  plain.alt = "";
  try {
    plain.src = await load(plain, "heat=false");
    await draw();
  } catch (error) {
    button.disabled = false;
    $("news").textContent = button.textContent = error.message;
    return;
  }
  Object.assign(strength, { type: "range", min: 0, max: 100, value: 100 });
  strength.addEventListener("input", () => { map.style.opacity = strength.value / 100; });
  label.append(strength);
  stack.append(plain, map);
  const choices = make("div", undefined, "choices");
  choices.append(choice("Class", classes, value => redraw({ class: Number(value) })),
    choice("Layer", [["behind the last convolution", ""], ...layersOf(model)], layer => redraw({ layer })));
  figure.append(caption, stack, label, choices, trouble);
  card.answers.append(figure);
  button.remove();
  strength.focus();
}

// From nothing, violet, to most, yellow, in Oklab, as the maps of the server have it.
function colourOf(heat) {
  const lightness = 0.28 + 0.65 * heat, hue = (305 - 200 * heat) * Math.PI / 180;
  const rgb = chroma => {
    const a = chroma * Math.cos(hue), b = chroma * Math.sin(hue);
    const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
    return [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s];
  };
  let least = 0, most = 0.17;
  for (let turn = 0; turn < 12; turn++) {
    const chroma = (least + most) / 2;
    if (rgb(chroma).every(value => value >= 0 && value <= 1)) least = chroma;
    else most = chroma;
  }
  return rgb(least).map(value => 255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055));
}
const colours = Uint8ClampedArray.from(Array.from({ length: 256 }, (_, i) => [...colourOf(i / 255), 255]).flat());

// What a layer gives for a picture: an array of its channels, the strongest first.
async function activations(card, model, layer) {
  const size = new DataView(new ArrayBuffer(4));
  size.setUint32(0, card.file.size, true);
  const json = new TextEncoder().encode(JSON.stringify({
    inputs: [{ name: "image", datatype: "BYTES", shape: [1], parameters: { binary_data_size: card.file.size + 4 } }],
    outputs: [{ name: layer, parameters: { binary_data: true } }] }));
  const answer = await post(`v2/models/${encodeURIComponent(model)}/infer`, new Blob([json, size.buffer, card.file]),
    { "Inference-Header-Content-Length": String(json.length) });
  const bytes = await answer.arrayBuffer(), begin = Number(answer.headers.get("Inference-Header-Content-Length"));
  const [, channels, height, width] = JSON.parse(new TextDecoder().decode(bytes.slice(0, begin))).outputs[0].shape;
  const all = new Float32Array(bytes.slice(begin)), found = [];
  for (let number = 0; number < channels; number++) {
    const values = all.subarray(number * height * width, (number + 1) * height * width);
    let least = Infinity, most = -Infinity;
    for (const value of values) { least = Math.min(least, value); most = Math.max(most, value); }
    found.push({ number, values, height, width, least, most });
  }
  return found.sort((one, other) => other.most - one.most);
}

// A channel, its colours from its least to its most.
function mapOf(channel) {
  const canvas = make("canvas"), item = make("li"), range = channel.most - channel.least;
  canvas.width = channel.width;
  canvas.height = channel.height;
  const context = canvas.getContext("2d"), image = context.createImageData(channel.width, channel.height);
  channel.values.forEach((value, i) => {
    const heat = range > 0 ? Math.round(255 * (value - channel.least) / range) : 0;
    image.data.set(colours.subarray(4 * heat, 4 * heat + 4), 4 * i);
  });
  context.putImageData(image, 0, 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Channel ${channel.number}, at most ${channel.most.toPrecision(3)}`);
  const words = make("span", `${channel.number}: ${channel.most.toPrecision(3)}`);
  words.setAttribute("aria-hidden", "true");
  item.append(canvas, words);
  return item;
}

// What the channels of a layer give for the picture, a page of them at a time.
async function showMaps(card, model, likely, button) {
  const figure = make("figure", undefined, "inside"), caption = make("figcaption"), list = make("ul", undefined, "maps");
  const before = make("button", "Stronger"), after = make("button", "Weaker"), close = make("button", "Close");
  const layers = layersOf(model), row = make("p", undefined, "row");
  let channels = [], first = 0, newest = 0;

  function turn(by) {
    first += by;
    list.replaceChildren(...channels.slice(first, first + MAPS).map(mapOf));
    before.disabled = first === 0;
    after.disabled = first + MAPS >= channels.length;
    caption.textContent = `${channels.length} channels, the strongest first: `
      + `${first + 1} to ${Math.min(first + MAPS, channels.length)}`;
    $("news").textContent = caption.textContent + ".";
  }
  async function look(layer) {
    const number = ++newest;
    caption.textContent = "is computed";
    try {
      const found = await activations(card, model, layer);
      if (number !== newest) return;
      channels = found;
      first = 0;
      turn(0);
    } catch (error) {
      list.replaceChildren();
      caption.textContent = $("news").textContent = error.message;
    }
  }

  for (const one of [before, after, close]) one.type = "button";
  before.addEventListener("click", () => turn(-MAPS));
  after.addEventListener("click", () => turn(MAPS));
  close.addEventListener("click", () => {
    figure.remove();
    button.hidden = false;
    button.focus();
    card.item.classList.toggle("wide", card.item.querySelector("figure.inside") !== null);
  });
  const label = choice(card.names.length > 1 ? `Layer of ${model}` : "Layer", layers, look);
  row.append(label, before, after, close);
  figure.append(row, caption, list);
  button.hidden = true;
  card.item.classList.add("wide");
  card.item.append(figure);
  label.lastChild.focus();
  await look(layers[0][1]);
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

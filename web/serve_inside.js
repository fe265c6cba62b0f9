// What the page shows below an answer: why, feature maps, similar pictures. serve.js asks.
"use strict";
const MAPS = 48, NEAREST = 12, NEAREST_MOST = 96;

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

// A figure below the card, which is as wide as the page while it has one; its button comes back when it is closed.
function openFigure(card, kind, button, ...parts) {
  const figure = make("figure", undefined, "inside " + kind), close = make("button", "Close"), row = make("p", undefined, "row");
  close.type = "button";
  close.addEventListener("click", () => {
    figure.remove();
    button.hidden = false;
    button.focus();
    card.item.classList.toggle("wide", card.item.querySelector("figure.inside") !== null);
  });
  row.append(...parts, close);
  figure.append(row);
  button.hidden = true;
  card.item.classList.add("wide");
  card.item.append(figure);
  return figure;
}

// What the channels of a layer give for the picture, a page of them at a time.
async function showMaps(card, model, likely, button) {
  const caption = make("figcaption"), list = make("ul", undefined, "maps");
  const before = make("button", "Stronger"), after = make("button", "Weaker"), layers = layersOf(model);
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

  for (const one of [before, after]) one.type = "button";
  before.addEventListener("click", () => turn(-MAPS));
  after.addEventListener("click", () => turn(MAPS));
  const label = choice(card.names.length > 1 ? `Layer of ${model}` : "Layer", layers, look);
  openFigure(card, "channels", button, label, before, after).append(caption, list);
  label.lastChild.focus();
  await look(layers[0][1]);
}

// ---- pictures that look alike
// A picture of the index, small. It is asked for like everything else, since an address has no way to send a key.
async function thumbnailOf(match) {
  const item = make("li"), image = make("img"), words = make("span", match.image);
  const likeness = match.similarity === null ? "no number" : match.similarity.toFixed(3);
  image.alt = "";
  words.title = match.image;
  item.append(image, words, make("span", likeness));
  try {
    const answer = await get(match.thumbnail), url = URL.createObjectURL(await answer.blob());
    image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    image.src = url;
  } catch (error) {
    image.replaceWith(make("span", error.message, "missing bad"));
  }
  return item;
}

// Those of the index whose features are nearest to the picture's, some more of them each time.
async function showSimilar(card, model, likely, button) {
  const caption = make("figcaption"), list = make("ol", undefined, "found"), more = make("button", "More");
  let total = models.get(model)?.parameters.index?.pictures, shown = 0, opened;

  async function look() {
    const wanted = Math.min(shown + NEAREST, NEAREST_MOST);
    caption.textContent = "is searched";
    more.disabled = true;
    try {
      const [answer] = await (await post(`search?top=${wanted}`, card.file)).json(), matches = answer.matches;
      // The number of the index: it is another once the server has opened a new one.
      const number = matches.length > 0 ? matches[0].thumbnail.split("-")[0] : opened;
      const renewed = opened !== undefined && number !== opened;
      const items = await Promise.all(matches.slice(renewed ? 0 : shown).map(thumbnailOf));
      if (renewed) {
        list.replaceChildren();
        total = undefined;
      }
      list.append(...items);
      opened = number;
      shown = matches.length;
      more.disabled = shown < wanted || shown === NEAREST_MOST;
      caption.textContent = `The ${shown} most similar ${total === undefined ? "" : `of ${total} `}pictures, `
        + "with the cosine of the angle between the features";
      $("news").textContent = `${shown} similar pictures.`;
    } catch (error) {
      more.disabled = false;
      caption.textContent = $("news").textContent = error.message;
    }
  }

  more.type = "button";
  more.addEventListener("click", look);
  const figure = openFigure(card, "alike", button, more);
  figure.append(caption, list);
  figure.querySelector("button:last-of-type").focus();
  await look();
}

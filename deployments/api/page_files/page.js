// Draws the kept values and the forecast of a series; an observation is sent to /v1/observe and the chart follows.
"use strict";
const SHOWN = 120; // kept values in the chart
const find = (id) => document.getElementById(id);
const state = { series: "", observed: [], forecast: null, before: null };

async function call(path, body) {
  const headers = { "Content-Type": "application/json" };
  const key = sessionStorage.getItem("nightcast-key");
  if (key) headers["X-API-Key"] = key;
  const options = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (!answer.ok) {
    if (answer.status === 401) find("access").open = true;
    throw new Error(content.detail || answer.statusText);
  }
  return content;
}

function say(id, text, isProblem) {
  find(id).textContent = text;
  find(id).className = isProblem ? "problem" : "";
}

function number(value) {
  return value === null ? "–" : Number(value.toPrecision(5)).toLocaleString("en", { maximumSignificantDigits: 5 });
}

function element(name, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function draw() {
  const chart = find("chart");
  chart.replaceChildren();
  const seen = state.observed.slice(-SHOWN).map(([ds, y]) => [Date.parse(ds), y]);
  const ahead = state.forecast || { ds: [], y_hat: [], quantiles: {} };
  find("caption").textContent = "";
  find("table").querySelector("tbody").replaceChildren();
  if (!seen.length) return;
  const levels = Object.keys(ahead.quantiles).sort((a, b) => a - b);
  const times = ahead.ds.map(Date.parse);
  const values = [...seen.map(([, y]) => y).filter((y) => y !== null), ...levels.flatMap((l) => ahead.quantiles[l]), ...(state.before ? state.before.y_hat : [])];
  const low = Math.min(...values), high = Math.max(...values), pad = (high - low) * 0.06 || 1;
  const old = state.before ? state.before.ds.map(Date.parse) : [];
  const first = seen[0][0], last = Math.max(seen[seen.length - 1][0], ...times, ...old);
  const x = (t) => 64 + ((t - first) / (last - first || 1)) * 880;
  const y = (v) => 340 - ((v - low + pad) / (high - low + 2 * pad)) * 320;
  for (let tick = 0; tick <= 4; tick += 1) {
    const value = low + ((high - low) * tick) / 4;
    chart.append(element("line", { x1: 64, x2: 944, y1: y(value), y2: y(value), class: "axis" }));
    chart.append(element("text", { x: 58, y: y(value) + 4, "text-anchor": "end" }, number(value)));
  }
  for (const share of [0, 0.5, 1]) {
    const t = first + (last - first) * share;
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    chart.append(element("text", { x: x(t), y: 368, "text-anchor": anchor }, new Date(t).toISOString().slice(0, 16).replace("T", " ")));
  }
  for (let index = 0; index < Math.floor(levels.length / 2); index += 1) {
    const under = ahead.quantiles[levels[index]], over = ahead.quantiles[levels[levels.length - 1 - index]];
    const path = [...times.map((t, i) => `${x(t)},${y(over[i])}`), ...times.map((t, i) => `${x(t)},${y(under[i])}`).reverse()];
    chart.append(element("polygon", { points: path.join(" "), class: "band" }));
  }
  if (state.before) {
    const points = state.before.ds.map((ds, i) => `${x(Date.parse(ds))},${y(state.before.y_hat[i])}`).filter((p) => !p.includes("NaN"));
    chart.append(element("polyline", { points: points.join(" "), class: "before" }));
  }
  let run = [];
  const flush = () => { if (run.length) chart.append(element("polyline", { points: run.join(" "), class: "seen" })); run = []; };
  for (const [t, v] of seen) v === null ? flush() : run.push(`${x(t)},${y(v)}`);
  flush();
  chart.append(element("polyline", { points: times.map((t, i) => `${x(t)},${y(ahead.y_hat[i])}`).join(" "), class: "median" }));
  const newest = seen.filter(([, v]) => v !== null).pop();
  if (newest) chart.append(element("circle", { cx: x(newest[0]), cy: y(newest[1]), r: 4, class: "newest" }));
  const forecast = levels.length ? ` Blue: median, with bands of the levels ${levels.join(", ")}.` : "";
  find("caption").textContent = `Line with a dot: observed.${forecast}` + (state.before ? " Dashed: the forecast before." : "");
  const rows = ahead.ds.map((ds, i) => [ds.replace("T", " ").replace("Z", ""), ...levels.map((l) => number(ahead.quantiles[l][i]))]);
  fill(find("table").querySelector("thead"), [["time (UTC)", ...levels]], "th");
  fill(find("table").querySelector("tbody"), rows, "td");
}

function fill(part, rows, tag) {
  part.replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((text) => Object.assign(document.createElement(tag), { textContent: text })));
    return row;
  }));
}

function describe(answer) {
  find("pipeline").textContent = answer.pipeline;
  const model = answer.model;
  find("model").textContent = `${model.name} v${model.version} (${model.digest.slice(0, 12)}…), from the ${answer.encoding}`;
}

function askKnown(names) {
  const given = new Set([...find("known").querySelectorAll("input")].map((input) => input.name));
  if (given.size === names.length && names.every((name) => given.has(name))) return;
  find("known").replaceChildren(...names.flatMap((name) => {
    const input = Object.assign(document.createElement("input"), { id: `known-${name}`, name, autocomplete: "off" });
    input.placeholder = "last step ahead";
    return [Object.assign(document.createElement("label"), { htmlFor: input.id, textContent: name }), input];
  }));
}

function following(observed) {
  const [before, last] = observed.slice(-2).map(([ds]) => Date.parse(ds));
  return last ? new Date(2 * last - before).toISOString().replace(".000Z", "Z") : "";
}

async function show(name) {
  try {
    const answer = await call(`/v1/series/${encodeURIComponent(name)}`);
    Object.assign(state, { series: name, observed: answer.observed, forecast: answer.forecast, before: null });
    askKnown(answer.known);
    describe(answer);
    find("series").value = name;
    find("ds").value = state.forecast && state.forecast.ds.length ? state.forecast.ds[0] : following(state.observed);
    say("message", "");
    say("outcome", "");
    history.replaceState(null, "", `#${encodeURIComponent(name)}`);
    draw();
  } catch (error) {
    say("message", error.message, true);
  }
}

find("choose").addEventListener("submit", (event) => { event.preventDefault(); show(find("series").value); });
find("median").addEventListener("click", () => {
  if (!state.forecast) return;
  const index = Math.max(0, state.forecast.ds.indexOf(find("ds").value));
  find("y").value = Number(state.forecast.y_hat[index].toPrecision(5));
});
find("observe").addEventListener("submit", async (event) => {
  event.preventDefault();
  const seen = { unique_id: state.series, ds: find("ds").value, y: Number(find("y").value) };
  const known = [...find("known").querySelectorAll("input")].filter((input) => input.value.trim());
  if (known.length) seen.known = Object.fromEntries(known.map((input) => [input.name, input.value.split(",").map(Number)]));
  try {
    const answer = await call("/v1/observe", { observations: [seen] });
    const result = answer.results[0], before = state.forecast || state.before;
    await show(state.series);
    state.before = before;
    const unusual = result.p_value === null ? "" : ` p-value ${number(result.p_value)}.`;
    const expected = result.y_hat === null ? "" : ` The forecast was ${number(result.y_hat)}.`;
    say("outcome", `${result.ds}: ${number(result.y)} ${result.outcome}.${expected}${unusual}`);
    if (answer.without_forecast.length) say("message", answer.without_forecast[0].detail, true);
    for (const input of [find("y"), ...find("known").querySelectorAll("input")]) input.value = "";
    draw();
  } catch (error) {
    say("outcome", error.message, true);
  }
});
find("keyform").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("nightcast-key", find("key").value);
  begin();
});

async function begin() {
  try {
    const answer = await call("/v1/series?limit=1000");
    describe(answer);
    find("names").replaceChildren(...answer.series.map((name) => Object.assign(document.createElement("option"), { value: name })));
    await show(decodeURIComponent(location.hash.slice(1)) || answer.series[0]);
  } catch (error) {
    say("message", error.message, true);
  }
}
begin();

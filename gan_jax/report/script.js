const frames = [...document.querySelectorAll("#steps figure")];
if (frames.length > 1) {
  const ids = ["slider", "time", "player", "steps"];
  const [slider, time, player, steps] = ids.map(id => document.getElementById(id));
  const image = frames[0].querySelector("img").cloneNode();
  const show = () => {
    const frame = frames[time.value];
    image.src = frame.querySelector("img").src;
    image.alt = slider.querySelector("output").textContent = frame.querySelector("figcaption").textContent;
  };
  player.className = frames[0].className;
  player.append(image);
  time.max = time.value = frames.length - 1;
  time.addEventListener("input", show);
  show();
  slider.hidden = player.hidden = steps.open = false;
}

// An image as large as the window shows it by whole pixels; arrows go to those beside it. One of these may lie over it,
// up to a slider, or be taken from it.
const made = (kind, options = {}, ...children) => {
  const element = Object.assign(document.createElement(kind), options);
  element.append(...children);
  return element;
};
const zoom = made("dialog"), zoomed = made("img"), over = made("img", {className: "over"}), said = made("p");
const stage = made("div", {className: "stage", tabIndex: -1}, zoomed, over), other = made("select");
const apart = made("input", {type: "checkbox"}), border = made("input", {type: "range", min: 0, max: 100, step: 0.1});
const tools = made("div", {className: "tools"}, made("label", {}, "compare with ", other),
  made("label", {}, apart, " difference"), border);
border.setAttribute("aria-label", "border between the two images");
let shown = null;
zoom.append(stage, said, tools);
document.body.append(zoom);
const row = () => [...shown.closest(".beside, .strips").querySelectorAll("img")].filter(image => image.offsetParent);
const aspect = image => image.naturalWidth / image.naturalHeight;
function compare() {
  const under = row()[other.value];
  over.hidden = apart.parentElement.hidden = !under;
  border.hidden = !under || apart.checked;
  over.className = under && apart.checked ? "over apart" : "over";
  // What is compared with lies on the right of the border.
  over.style.clipPath = apart.checked ? "" : `inset(0 0 0 ${border.value}%)`;
  if (under) over.src = under.src;
  over.alt = under ? under.alt : "";
  const width = shown.naturalWidth, height = shown.naturalHeight, factor = zoomed.clientWidth / width;
  const words = `${shown.alt}, ${width}x${height}${factor > 1 ? `, each pixel as ${factor}x${factor}` : ""}`;
  const how = apart.checked ? "; its difference, four times as bright, to " : "; right of the border: ";
  said.textContent = under ? words + how + under.alt : words;
}
function enlarge(image) {
  shown = image;
  zoomed.src = image.src;
  zoomed.alt = image.alt;
  const width = image.naturalWidth, height = image.naturalHeight;
  const room = Math.min((innerWidth * 0.98 - 40) / width, (innerHeight * 0.98 - 120) / height);
  stage.style.width = `${Math.max(1, Math.floor(room)) * width}px`;
  zoomed.style.width = "100%";
  const kept = other.selectedOptions[0]?.textContent;
  const others = [...row().entries()].filter(([, one]) => one !== image && Math.abs(aspect(one) / aspect(image) - 1) < 0.02);
  const options = others.map(([index, one]) => made("option", {value: index, textContent: one.alt, selected: one.alt === kept}));
  other.replaceChildren(made("option", {value: "", textContent: "nothing"}), ...options);
  tools.hidden = !others.length;
  if (!zoom.open) {
    zoom.showModal();
    stage.focus();  // not what to compare with, which would take the arrows
  }
  compare();
}
for (const [element, event] of [[other, "change"], [apart, "change"], [border, "input"]]) element.addEventListener(event, compare);
zoom.addEventListener("click", event => event.target.closest(".tools") || zoom.close());
zoom.addEventListener("keydown", event => {
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (!step || !shown || event.target.closest(".tools")) return;
  event.preventDefault();
  const images = row();
  enlarge(images[(images.indexOf(shown) + step + images.length) % images.length]);
});
for (const image of document.querySelectorAll(".beside img, .strips img")) {
  image.classList.add("zoomed");
  image.tabIndex = 0;
  image.addEventListener("click", () => enlarge(image));
  image.addEventListener("keydown", event => event.key === "Enter" && enlarge(image));
}

// Seconds by step for each run, between those that were logged: what wall time is as an axis.
const clocks = JSON.parse(document.getElementById("clocks")?.textContent ?? "[]").map(rows => [[0, 0], ...rows]);
const axis = document.querySelector("#axis select");
const inTime = () => axis?.value === "time";
const longest = Math.max(1, ...clocks.map(rows => rows[rows.length - 1][1]));
function seconds(run, step) {
  const rows = clocks[run], after = rows.findIndex(([at]) => at >= step);
  if (after < 0) return rows[rows.length - 1][1];
  if (after === 0) return rows[0][1];
  const [[a, from], [b, to]] = [rows[after - 1], rows[after]];
  return from + (to - from) * (step - a) / (b - a);
}
function spoken(time) {
  const [unit, size] = [["h", 3600], ["min", 60], ["s", 1]].find(([, size]) => longest >= 2 * size) ?? ["s", 1];
  return `${Number((time / size).toPrecision(3)).toLocaleString("en")} ${unit}`;
}
function marks(end) {
  const unit = [3600, 60, 1].find(size => longest >= 2 * size) ?? 1, least = end / unit / 5;
  const power = 10 ** Math.floor(Math.log10(least)), step = [1, 2, 5, 10].find(factor => factor * power >= least * 0.999) * power;
  return [...Array(Math.floor(end / unit / step + 1e-9) + 1).keys()].map(index => index * step * unit);
}
if (axis && clocks.length) document.getElementById("axis").hidden = false;

// The values under the pointer, all of them as a file, and the lines by step or by time.
for (const chart of document.querySelectorAll("figure.chart")) {
  const {plot: [left, top, width, height], steps, lines} = JSON.parse(chart.dataset.told);
  const svg = chart.querySelector("svg"), title = chart.querySelector("h3").textContent;
  const all = [...new Set(lines.flatMap(([, , points]) => points.map(([step]) => step)))].sort((a, b) => a - b);
  const button = made("button", {textContent: "CSV", title: `${title}, all values`});
  button.addEventListener("click", () => {
    const quoted = text => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    const columns = lines.map(([, , points]) => new Map(points));
    const rows = all.map(step => [step, ...columns.map(column => column.get(step) ?? "")].join(","));
    const text = [["step", ...lines.map(([name]) => quoted(name))].join(","), ...rows, ""].join("\n");
    const link = document.createElement("a");
    link.href = `data:text/csv;charset=utf-8,${encodeURIComponent(text)}`;
    link.download = `${title.replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_|_$/g, "")}.csv`;
    link.click();
  });
  chart.querySelector("figcaption").prepend(button);
  if (!all.length) continue;

  const end = () => inTime() ? longest : steps;
  const place = (line, step) => inTime() ? seconds(lines[line][3], step) : step;
  const ofSteps = svg.querySelector(".steps"), ofTime = ofSteps.cloneNode();
  ofTime.append(...marks(longest).map(time => {
    const words = document.createElementNS("http://www.w3.org/2000/svg", "text");
    for (const [name, value] of [["x", left + time / longest * width], ["y", top + height + 16], ["text-anchor", "middle"]])
      words.setAttribute(name, value);
    words.textContent = spoken(time);
    return words;
  }));
  const drawn = [...svg.querySelectorAll("g[data-line]")].map(group => [
    Number(group.dataset.line), group.querySelector("polyline"), [...group.querySelectorAll("circle")],
    group.querySelector("polyline").getAttribute("points").split(" ").filter(Boolean).map(point => point.split(",")),
  ]);
  axis?.addEventListener("change", () => {
    hide();
    for (const [line, path, dots, points] of drawn) {
      const xs = points.map(([x]) => (place(line, x / width * steps) / end() * width).toFixed(1));
      path.setAttribute("points", points.map(([, y], index) => `${xs[index]},${y}`).join(" "));
      dots.forEach((dot, index) => dot.setAttribute("cx", xs[index]));
    }
    (inTime() ? ofSteps : ofTime).replaceWith(inTime() ? ofTime : ofSteps);
  });

  const tip = made("div", {className: "tip"}), mark = document.createElementNS("http://www.w3.org/2000/svg", "line");
  mark.setAttribute("class", "mark");
  const hide = () => { tip.remove(); mark.remove(); };
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width * svg.viewBox.baseVal.width - left) / width * end();
    if (at < -0.02 * end() || at > 1.02 * end()) return hide();
    const nearest = (places, to) => places.reduce((a, b) => Math.abs(b[0] - to) < Math.abs(a[0] - to) ? b : a);
    const placed = lines.map(([, , points], line) => points.map(point => [place(line, point[0]), ...point]));
    const [there, step] = nearest(placed.flat(), at), x = left + there / end() * width;
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", top], ["y2", top + height]]) mark.setAttribute(name, value);
    const rows = lines.flatMap(([name, color], line) => {
      if (!placed[line].length) return [];
      const [, own, value] = nearest(placed[line], there);
      const said = own === step ? name : `${name} (step ${own.toLocaleString("en")})`;
      const number = made("b", {textContent: value ?? "not finite"});
      return [made("div", {}, made("span", {className: `c${color}`, textContent: said}), number)];
    });
    tip.replaceChildren(`step ${step.toLocaleString("en")}${inTime() ? `, ${spoken(there)}` : ""}`, ...rows);
    svg.append(mark);
    chart.append(tip);
    const frame = chart.getBoundingClientRect(), beside = box.left - frame.left + x / svg.viewBox.baseVal.width * box.width;
    tip.style.top = `${box.top - frame.top + 8}px`;
    tip.style.left = `${beside + 12 + tip.offsetWidth > frame.width ? Math.max(0, beside - 12 - tip.offsetWidth) : beside + 12}px`;
  });
  svg.addEventListener("pointerleave", hide);
}

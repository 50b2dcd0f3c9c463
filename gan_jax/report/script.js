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

// An image as large as the window shows it by whole pixels; arrows go to those beside it.
const zoom = document.createElement("dialog"), zoomed = document.createElement("img"), said = document.createElement("p");
let shown = null;
zoom.append(zoomed, said);
document.body.append(zoom);
function enlarge(image) {
  shown = image;
  zoomed.src = image.src;
  zoomed.alt = image.alt;
  const width = image.naturalWidth, height = image.naturalHeight;
  const room = Math.min((innerWidth * 0.98 - 40) / width, (innerHeight * 0.98 - 80) / height);
  const factor = Math.max(1, Math.floor(room));
  zoomed.style.width = `${factor * width}px`;
  said.textContent = `${image.alt}, ${width}x${height}${factor > 1 ? `, each pixel as ${factor}x${factor}` : ""}`;
  if (!zoom.open) zoom.showModal();
}
zoom.addEventListener("click", () => zoom.close());
zoom.addEventListener("keydown", event => {
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (!step || !shown) return;
  event.preventDefault();
  const row = [...shown.closest(".beside, .strips").querySelectorAll("img")].filter(image => image.offsetParent);
  enlarge(row[(row.indexOf(shown) + step + row.length) % row.length]);
});
for (const image of document.querySelectorAll(".beside img, .strips img")) {
  image.classList.add("zoomed");
  image.tabIndex = 0;
  image.addEventListener("click", () => enlarge(image));
  image.addEventListener("keydown", event => event.key === "Enter" && enlarge(image));
}

// The values under the pointer, and all of them as a file.
for (const chart of document.querySelectorAll("figure.chart")) {
  const {plot: [left, top, width, height], steps, lines} = JSON.parse(chart.dataset.told);
  const svg = chart.querySelector("svg"), title = chart.querySelector("h3").textContent;
  const all = [...new Set(lines.flatMap(([, , points]) => points.map(([step]) => step)))].sort((a, b) => a - b);
  const button = document.createElement("button");
  button.textContent = "CSV";
  button.title = `${title}, all values`;
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

  const tip = document.createElement("div"), mark = document.createElementNS("http://www.w3.org/2000/svg", "line");
  tip.className = "tip";
  mark.setAttribute("class", "mark");
  const nearest = (points, at) => points.reduce((a, b) => Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a);
  const hide = () => { tip.remove(); mark.remove(); };
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width * svg.viewBox.baseVal.width - left) / width * steps;
    if (at < -0.02 * steps || at > 1.02 * steps) return hide();
    const [step] = nearest(all.map(one => [one]), at), x = left + step / steps * width;
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", top], ["y2", top + height]]) mark.setAttribute(name, value);
    const rows = lines.filter(([, , points]) => points.length).map(([name, color, points]) => {
      const row = document.createElement("div"), label = document.createElement("span"), number = document.createElement("b");
      const [own, value] = nearest(points, step);
      label.className = `c${color}`;
      label.textContent = own === step ? name : `${name} (step ${own.toLocaleString("en")})`;
      number.textContent = value ?? "not finite";
      row.append(label, number);
      return row;
    });
    tip.replaceChildren(`step ${step.toLocaleString("en")}`, ...rows);
    svg.append(mark);
    chart.append(tip);
    const frame = chart.getBoundingClientRect(), place = box.left - frame.left + x / svg.viewBox.baseVal.width * box.width;
    tip.style.top = `${box.top - frame.top + 8}px`;
    tip.style.left = `${place + 12 + tip.offsetWidth > frame.width ? Math.max(0, place - 12 - tip.offsetWidth) : place + 12}px`;
  });
  svg.addEventListener("pointerleave", hide);
}

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

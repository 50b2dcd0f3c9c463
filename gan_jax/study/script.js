const study = JSON.parse(document.getElementById("study").textContent);
const at = id => document.getElementById(id);
const isChoice = study.kind === "choice", side = 256;

// Mulberry32, begun by FNV-1a of the seed and the rater: an order of one's own, and the same one again.
function generator(text) {
  let state = 2166136261;
  for (const unit of text) state = Math.imul(state ^ unit.codePointAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
function shuffled(items, random) {
  const list = [...items];
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

// Scenes are drawn first and shown by every method: methods are then compared on the same scenes.
function planned(random) {
  const scenes = shuffled(Object.keys(study.scenes), random);
  const spared = isChoice ? Math.min(study.practice, Math.floor(scenes.length / 4)) : 0;
  const wanted = Math.max(1, Math.floor(study.trials / study.methods.length));
  const asked = scenes.slice(spared, spared + wanted);
  const trial = (image, method, practice) => ({image, method, practice, real: random() < 0.5 ? 1 : 2});
  const practice = [];
  for (let i = 0; spared && i < study.practice; i++)
    practice.push(trial(scenes[i % spared], study.methods[i % study.methods.length], true));
  const main = asked.flatMap(image => study.methods.map(method => trial(image, method, false)));
  return [...practice, ...shuffled(main, random)];
}

const sleep = ms => new Promise(done => setTimeout(done, ms));
async function show(uri) {
  const image = at("image");
  image.src = uri;
  await image.decode();
  // Small images are enlarged by whole pixels.
  const factor = Math.max(1, Math.floor(side / Math.max(image.naturalWidth, image.naturalHeight)));
  image.style.width = `${factor * image.naturalWidth}px`;
  image.style.imageRendering = factor > 1 ? "pixelated" : "auto";
  at("message").textContent = "";
  image.hidden = false;
}
function hide(words) {
  at("image").hidden = true;
  at("message").textContent = words;
}
async function exposed(uri) {
  await show(uri);
  await sleep(1000 * study.seconds);
  hide("");
  await sleep(250);
}
function answer(choices) {
  return new Promise(done => {
    const began = performance.now();
    const end = value => {
      document.removeEventListener("keydown", pressed);
      at("buttons").replaceChildren();
      done({value, milliseconds: Math.round(performance.now() - began)});
    };
    const pressed = event => {
      const found = choices.find(choice => choice.key === event.key);
      if (found) end(found.value);
    };
    document.addEventListener("keydown", pressed);
    at("buttons").replaceChildren(...choices.map(choice => {
      const button = document.createElement("button"), key = document.createElement("kbd");
      key.textContent = ` ${choice.key}`;
      button.append(choice.words, ...(choice.words === choice.key ? [] : [key]));
      button.dataset.value = choice.value;
      button.addEventListener("click", () => end(choice.value));
      return button;
    }));
  });
}

const FIRST_OR_SECOND = [
  {key: "1", words: "The first", value: 1},
  {key: "2", words: "The second", value: 2},
];
const RATINGS = ["bad", "poor", "fair", "good", "excellent"].map(
  (words, i) => ({key: `${i + 1}`, words: `${i + 1} ${words}`, value: i + 1}));
const NEXT = [{key: " ", words: "Next", value: 0}];

async function chosen(trial) {
  const scene = study.scenes[trial.image], fake = scene[trial.method];
  const pair = trial.real === 1 ? [scene.truth, fake] : [fake, scene.truth];
  hide("Look.");
  await sleep(500);
  for (const uri of pair) await exposed(uri);
  hide("Which one was real?");
  const {value, milliseconds} = await answer(FIRST_OR_SECOND);
  if (trial.practice) {
    const words = value === trial.real ? "Right" : "Wrong";
    at("feedback").textContent = `${words}: the ${["first", "second"][trial.real - 1]} was real.`;
    await answer(NEXT);
    at("feedback").textContent = "";
  }
  return {...trial, chosen: value, fooled: value !== trial.real, milliseconds};
}
async function rated(trial) {
  await show(study.scenes[trial.image][trial.method]);
  const {value, milliseconds} = await answer(RATINGS);
  return {image: trial.image, method: trial.method, practice: false, score: value, milliseconds};
}
async function calibrated() {
  for (const [score, uri] of study.calibration) {
    at("progress").textContent = "To set the scale";
    await show(uri);
    at("feedback").textContent = `This is a ${score}, ${RATINGS[score - 1].words.slice(2)}.`;
    await answer(NEXT);
  }
  at("feedback").textContent = "";
}

async function run(rater) {
  const trials = planned(generator(`${study.seed}:${rater}`)), answers = [];
  at("welcome").hidden = true;
  at("trial").hidden = false;
  await calibrated();
  const practice = trials.filter(trial => trial.practice).length;
  for (const [i, trial] of trials.entries()) {
    at("progress").textContent = trial.practice
      ? `Practice ${i + 1} of ${practice}` : `${i - practice + 1} of ${trials.length - practice}`;
    answers.push(await (isChoice ? chosen : rated)(trial));
  }
  const {kind, seed, methods} = study;
  const content = JSON.stringify({study: study.study, kind, seed, methods, rater, answers}, null, 1);
  at("trial").hidden = true;
  at("end").hidden = false;
  at("save").href = `data:application/json;charset=utf-8,${encodeURIComponent(content)}`;
  at("save").download = `answers_${rater.replace(/[^\p{L}\p{N}_-]+/gu, "_")}.json`;
}

at("instructions").append(...(isChoice ? [
  `You see two images, one after the other, each for ${study.seconds} s. One is real; the other was made by a program.`,
  "Say which one was real. Take your time for that.",
  ...(study.practice ? ["The first rounds are practice: they tell you whether you were right."] : []),
] : [
  "You see one image after another. Rate each from 1, bad, to 5, excellent.",
  ...(study.calibration.length ? ["First some images show what a 1 is, and what a 5 is."] : []),
]).map(words => Object.assign(document.createElement("p"), {textContent: words})));
at("rater").value = new URLSearchParams(location.search).get("rater") ?? "";
at("begin").addEventListener("submit", event => {
  event.preventDefault();
  run(at("rater").value.trim() || "0");
});

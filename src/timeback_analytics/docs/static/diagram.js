"use strict";

// A diagram in a frame of its own is fitted into it, and comes nearer by wheel, keys, buttons and two fingers.
for (const frame of document.querySelectorAll(".viewer")) {
  const svg = frame.querySelector("svg");
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const stage = frame.querySelector(".stage");
  const NEAREST = 8;
  let view = { x: 0, y: 0, scale: 1 }; // scale 1 is the whole diagram
  const show = () => {
    const room = { width: width / view.scale, height: height / view.scale };
    view.x = Math.min(Math.max(view.x, -room.width / 2), width - room.width / 2);
    view.y = Math.min(Math.max(view.y, -room.height / 2), height - room.height / 2);
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${room.width} ${room.height}`);
    stage.dataset.scale = view.scale.toFixed(2);
  };
  const fit = () => {
    view = { x: 0, y: 0, scale: 1 };
    show();
  };
  // where a point of the window lies in the diagram
  const within = (x, y) => {
    const matrix = svg.getScreenCTM();
    return { x: (x - matrix.e) / matrix.a, y: (y - matrix.f) / matrix.d };
  };
  const zoom = (factor, at) => {
    const scale = Math.min(Math.max(view.scale * factor, 1), NEAREST);
    const place = at ?? { x: view.x + width / view.scale / 2, y: view.y + height / view.scale / 2 };
    const grown = view.scale / scale;
    view = { x: place.x - (place.x - view.x) * grown, y: place.y - (place.y - view.y) * grown, scale };
    if (scale === 1) fit();
    else show();
  };
  const move = (across, down) => {
    view.x += (across * width) / view.scale / 8;
    view.y += (down * height) / view.scale / 8;
    show();
  };
  const acts = {
    in: () => zoom(1.4),
    out: () => zoom(1 / 1.4),
    fit,
  };
  for (const button of frame.querySelectorAll("button[data-act]")) {
    button.addEventListener("click", acts[button.dataset.act]);
  }
  const keys = {
    "+": acts.in, "=": acts.in, "-": acts.out, 0: fit,
    ArrowLeft: () => move(-1, 0), ArrowRight: () => move(1, 0), ArrowUp: () => move(0, -1), ArrowDown: () => move(0, 1),
  };
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  stage.addEventListener("wheel", (event) => {
    // a page is scrolled past a diagram that is whole, and past one beside other things that nobody went to
    const asked = frame.classList.contains("full") || event.ctrlKey || stage.contains(document.activeElement);
    if (!asked || (event.deltaY > 0 && view.scale === 1)) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), within(event.clientX, event.clientY));
  }, { passive: false });
  const fingers = new Map();
  let dragged = 0;
  stage.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event);
    dragged = 0;
  });
  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const others = [...fingers.values()].filter((finger) => finger.pointerId !== event.pointerId);
    dragged += Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY);
    if (others.length) {
      const [other] = others;
      const apart = (finger) => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY);
      const middle = within((event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
      zoom(apart(event) / Math.max(apart(before), 1), middle);
    } else if (view.scale > 1) {
      const from = within(before.clientX, before.clientY);
      const to = within(event.clientX, event.clientY);
      view.x += from.x - to.x;
      view.y += from.y - to.y;
      show();
    }
    fingers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
    stage.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  // the end of a drag opens no page, and a link is not dragged away
  stage.addEventListener("click", (event) => {
    if (dragged > 6) event.preventDefault();
  }, true);
  stage.addEventListener("dragstart", (event) => event.preventDefault());
  // a box that is gone to by key is brought into view
  stage.addEventListener("focusin", (event) => {
    const box = event.target.closest(".box");
    if (!box || view.scale === 1) return;
    const { left, top, width: wide, height: high } = box.getBoundingClientRect();
    const middle = within(left + wide / 2, top + high / 2);
    view.x = middle.x - width / view.scale / 2;
    view.y = middle.y - height / view.scale / 2;
    show();
  });
}

// In a diagram, the box that is pointed at or has the focus keeps its lines and neighbours; the rest fades.
for (const diagram of document.querySelectorAll("svg.diagram")) {
  const lines = [...diagram.querySelectorAll(".line")];
  const boxes = [...diagram.querySelectorAll(".box")];
  const show = (box) => {
    const name = box?.dataset.name;
    const near = new Set([name]);
    for (const line of lines) {
      const ends = line.dataset.ends.split(" ");
      const touches = ends.includes(name);
      line.classList.toggle("lit", Boolean(box) && touches);
      if (touches) ends.forEach((end) => near.add(end));
    }
    for (const each of boxes) each.classList.toggle("lit", Boolean(box) && near.has(each.dataset.name));
    diagram.classList.toggle("fading", Boolean(box));
  };
  for (const box of boxes) {
    box.addEventListener("mouseenter", () => show(box));
    box.addEventListener("mouseleave", () => show(null));
    box.addEventListener("focus", () => show(box));
    box.addEventListener("blur", () => show(null));
  }
}
// A diagram that is wider than its frame begins with the dataset in question in the middle.
for (const frame of document.querySelectorAll(".scroll")) {
  const box = frame.querySelector(".box.current");
  if (box && frame.scrollWidth > frame.clientWidth && !frame.querySelector(".source")) {
    const { left, width } = box.getBoundingClientRect();
    frame.scrollLeft = left - frame.getBoundingClientRect().left - (frame.clientWidth - width) / 2;
  }
}

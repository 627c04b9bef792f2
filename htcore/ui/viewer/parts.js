// The study's pixels and maps, fetched once each by URL; and the view, kept in this tab alone.

import { restored } from "./view.js";

const KEPT = "htcore.view";

async function part(url, name, ArrayType) {
  const answer = await fetch(`${url}/${name}`, { credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  return new ArrayType(await answer.arrayBuffer());
}

export const fetchVolume = (url) => part(url, "volume", Int16Array);
export const fetchMap = (url, kind) => part(url, kind, Float32Array);

// By a random name of this opening of the study, never by anything of the patient's. It goes with the tab.
export function keepView(opening, view) {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ opening, view }));
  } catch {
    // A browser that forbids storage forgets the place; nothing else depends on it.
  }
}

export function keptView(opening, view, slices) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    return kept?.opening === opening ? restored(view, kept.view, slices) : view;
  } catch {
    return view;
  }
}

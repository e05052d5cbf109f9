// Renews what is under way, every two seconds; without scripts the link "Look again" does.
"use strict";
async function renew() {
  const shown = document.getElementById("progress");
  if (!shown || !shown.dataset.running) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("progress");
    if (!fresh.dataset.running) return location.reload();
    shown.replaceWith(document.adoptNode(fresh));
  } catch {
    // The console ended, and what it began goes on; the next try may reach a new one.
  }
  setTimeout(renew, 2000);
}
setTimeout(renew, 2000);

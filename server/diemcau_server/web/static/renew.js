"use strict";
// Renews the page as long as the server answers; a page that cannot be renewed says so and stays.
const pause = 1000 * Number(document.body.dataset.renewSeconds);

async function renew() {
  let answers = false;
  try {
    answers = (await fetch(location.href, { cache: "no-store" })).status < 500;
  } catch {
    // no server, or no network
  }
  if (answers) {
    location.reload();
    return;
  }
  document.querySelector(".lost").hidden = false;
  setTimeout(renew, pause);
}

setTimeout(renew, pause);

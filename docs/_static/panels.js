// A panel reports its height in a message: the frame around it follows.
addEventListener("message", (event) => {
  const height = event.data?.xattnHeight;
  if (!Number.isFinite(height)) return;
  for (const frame of document.querySelectorAll("iframe.xattn-live"))
    if (frame.contentWindow === event.source) frame.style.height = `${Math.min(Math.max(height, 100), 4000)}px`;
});

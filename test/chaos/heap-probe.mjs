// Loaded into the gate before its own program (--import): collects all garbage when its parent asks, and reports what is
// left. Neither the channel nor the probe keeps the process alive.
const collect = globalThis.gc;

process.on('message', () => {
  collect();
  // Finalizers run after a collection, and release more.
  setTimeout(() => {
    collect();
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
    // `external` includes the array buffers.
    process.send?.({ heapBytes: heapUsed, externalBytes: external, arrayBufferBytes: arrayBuffers, rss });
  }, 10);
});
process.channel?.unref();

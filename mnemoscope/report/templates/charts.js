(() => {
  const config = JSON.parse(document.getElementById("chart-config").textContent);
  const figures = [...document.querySelectorAll("[data-chart]")];
  const narrow = 480;
  const wide = 700;
  const roomForAxes = 64;
  const drawn = new Map();

  // Panels side by side have a width each; Vega-Lite fits only single views to their container.
  function inPanels(spec) {
    const { column, row, facet } = spec.encoding ?? {};
    return Boolean(column || row || facet || spec.facet || spec.hconcat || spec.vconcat || spec.concat);
  }

  async function draw(figure) {
    const target = figure.querySelector(".drawing");
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const room = target.clientWidth;
    if (!room) return;
    if (figure.dataset.keepsShape) {
      const width = Math.min(spec.width, room - roomForAxes);
      spec.height = Math.round((spec.height * width) / spec.width);
      spec.width = width;
    } else if (spec.width && !inPanels(spec)) {
      spec.width = "container";
      spec.autosize = { type: "fit-x", contains: "padding" };
    }
    const legend = { ...config.legend, columns: room < narrow ? 2 : room < wide ? 3 : 6 };
    drawn.get(figure)?.finalize();
    const result = await vegaEmbed(target, spec, {
      mode: "vega-lite",
      renderer: "svg",
      config: { ...config, legend },
      actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
      downloadFileName: figure.dataset.chart,
    });
    drawn.set(figure, result);
  }

  async function drawAll() {
    delete document.documentElement.dataset.charts;
    await Promise.all(figures.map(draw));
    document.documentElement.dataset.charts = "drawn";
  }

  let width = document.documentElement.clientWidth;
  let waiting;
  window.addEventListener("resize", () => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
  window.addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("main details")) fold.open = true;
  });
  drawAll();
})();

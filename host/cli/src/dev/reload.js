// Runs in every page that `bandstand dev` serves: waits for the next version of the site, and shows why there is none.
(() => {
  "use strict";
  // A page that answers a form is asked for anew instead of sent again.
  const sent = "sent" in document.currentScript.dataset;
  let version = null;
  let panel = null;

  const hide = () => {
    panel?.remove();
    panel = null;
  };

  // Styles are set one by one: a page's content security policy may forbid style sheets, but not this.
  const styled = (name, styles, text) => {
    const element = document.createElement(name);
    Object.assign(element.style, styles);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  const show = (problem) => {
    hide();
    panel = styled("div", {
      position: "fixed", inset: "auto 0 0 0", maxHeight: "70vh", overflow: "auto", zIndex: "2147483647",
      background: "#1c1b22", color: "#eceaf2", borderTop: "4px solid #f08d78", padding: "1rem 1.5rem",
      font: "14px/1.5 ui-monospace, monospace", textAlign: "left",
    });
    panel.setAttribute("role", "alert");
    panel.append(styled("strong", { color: "#f08d78", font: "600 16px/1.5 system-ui, sans-serif" }, problem.title));
    const close = styled("button", {
      float: "right", font: "inherit", color: "inherit", background: "none", border: "1px solid currentColor",
      borderRadius: "4px", padding: "0 .6rem", cursor: "pointer",
    }, "Close");
    close.addEventListener("click", hide);
    panel.prepend(close);
    panel.append(styled("p", { margin: ".3rem 0 .6rem", font: "14px/1.5 system-ui, sans-serif" },
      "The version before keeps running. Save again, and this page reloads."));
    panel.append(styled("pre", { margin: "0", whiteSpace: "pre-wrap" }, problem.text));
    document.body.append(panel);
  };

  const source = new EventSource("/_bandstand/dev/events");
  source.addEventListener("site", (event) => {
    const state = JSON.parse(event.data);
    if (version !== null && version !== state.version) {
      if (sent) location.assign(location.pathname + location.search);
      else location.reload();
      return;
    }
    version = state.version;
    if (state.problem) show(state.problem);
    else hide();
  });
  // A page that is left must not hold a connection: browsers allow six to one site.
  addEventListener("pagehide", () => source.close());
})();

//! `/`: every page and what it takes, as HTML. Pages that change something are buttons, which send POST.

use axum::response::Response;

use super::commands::Listed;
use super::ui::{self, Html, escaped};

/// The index.
pub fn show(commands: impl Iterator<Item = Listed>) -> Response {
    let mut html = Html::default();
    ui::begin(&mut html, "Outrigger: admin");
    html.raw("<header><h1>Outrigger: admin</h1>\n<nav aria-label=\"For people\"><a href=\"/ui\">How this proxy is</a></nav></header>\n<main id=\"main\">\n");
    html.raw("<section aria-labelledby=\"pages\"><h2 id=\"pages\">Pages</h2>\n<dl>\n");
    for Listed { path, help, changes, parameters } in commands {
        let (path, help) = (escaped(path), escaped(help));
        let link = match changes {
            true => format!("<form method=\"post\" action=\"{path}\"><button>POST {path}</button></form>"),
            false => format!("<a href=\"{path}\">{path}</a>"),
        };
        html.raw(&format!("<dt>{link}</dt><dd>{help}"));
        if !parameters.is_empty() {
            html.raw("<ul>");
            parameters.iter().for_each(|parameter| html.raw(&format!("<li>{}</li>", escaped(parameter))));
            html.raw("</ul>");
        }
        html.raw("</dd>\n");
    }
    html.raw("</dl>\n</section>\n</main>\n</body>\n</html>\n");
    ui::page(html.finish())
}

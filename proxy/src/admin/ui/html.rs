//! Pieces of HTML. What comes from outside is always escaped.

use std::fmt::{Display, Write};

/// A page that grows.
#[derive(Default)]
pub struct Html(String);

/// Text within an element or an attribute.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

/// A cell of a table.
pub enum Cell {
    /// Text.
    Text(String),
    /// Text with a class of the style sheet: `good`, `odd`, `bad`, `dim`.
    Toned(&'static str, String),
    /// A number.
    Number(u64),
    /// A point of time.
    Time(String),
}

/// Text.
pub fn cell(text: impl Display) -> Cell {
    Cell::Text(text.to_string())
}

impl Html {
    /// Adds HTML as it is.
    pub fn raw(&mut self, html: &str) {
        self.0.push_str(html);
    }

    /// Begins a part of the page that a reader can jump to.
    pub fn section(&mut self, id: &str, title: &str) {
        // A string takes all that is written to it.
        let _ = writeln!(self.0, "<section aria-labelledby=\"{id}\"><h2 id=\"{id}\">{}</h2>", escaped(title));
    }

    /// Ends it.
    pub fn end_section(&mut self) {
        self.raw("</section>\n");
    }

    /// A paragraph.
    pub fn paragraph(&mut self, class: &str, text: &str) {
        let _ = writeln!(self.0, "<p class=\"{class}\">{}</p>", escaped(text));
    }

    /// A table whose first column names the row.
    pub fn table<const N: usize>(&mut self, heads: [&str; N], rows: &[[Cell; N]]) {
        self.raw("<div class=\"scroll\"><table><thead><tr>");
        for (index, head) in heads.iter().enumerate() {
            let is_number = rows.first().is_some_and(|row| matches!(row[index], Cell::Number(_)));
            let class = if is_number { " class=\"number\"" } else { "" };
            let _ = write!(self.0, "<th scope=\"col\"{class}>{}</th>", escaped(head));
        }
        self.raw("</tr></thead><tbody>\n");
        for row in rows {
            self.raw("<tr>");
            for (index, (cell, head)) in row.iter().zip(heads).enumerate() {
                let class = if matches!(cell, Cell::Number(_)) { " class=\"number\"" } else { "" };
                let _ = match index {
                    0 => write!(self.0, "<th scope=\"row\">{}</th>", inner(cell)),
                    _ => write!(self.0, "<td{class} data-label=\"{}\">{}</td>", escaped(head), inner(cell)),
                };
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody></table></div>\n");
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.0
    }
}

fn inner(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => escaped(text),
        Cell::Toned(tone, text) => format!("<span class=\"{tone}\">{}</span>", escaped(text)),
        Cell::Number(number) => number.to_string(),
        Cell::Time(time) => format!("<time>{}</time>", escaped(time)),
    }
}

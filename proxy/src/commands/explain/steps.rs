//! What is said step by step, for people or programs.

use serde_json::{Value, json};

use crate::commands::paper::{self, Tone};

/// Everything that was found, in order.
#[derive(Debug, Default)]
pub struct Steps {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    what: &'static str,
    tone: Tone,
    words: String,
}

impl Steps {
    /// As it should be.
    pub fn good(&mut self, what: &'static str, words: String) {
        self.steps.push(Step { what, tone: Tone::Good, words });
    }

    /// It goes on, and somebody may want to know.
    pub fn odd(&mut self, what: &'static str, words: String) {
        self.steps.push(Step { what, tone: Tone::Odd, words });
    }

    /// It ends here. Says so.
    pub fn wrong(&mut self, what: &'static str, words: String) -> bool {
        self.steps.push(Step { what, tone: Tone::Bad, words });
        false
    }

    /// What follows is on another way.
    pub fn heading(&mut self, words: String) {
        self.good("", words);
    }

    /// A line each; the word on the left once.
    pub fn text(&self, colour: bool) -> String {
        let mut out = String::new();
        let mut before = "";
        for Step { what, tone, words } in &self.steps {
            let mark = match tone {
                Tone::Good => " ",
                Tone::Odd => "!",
                Tone::Bad => "x",
            };
            let words = paper::plain(words);
            if what.is_empty() {
                out.push_str(&format!("{words}\n"));
            } else {
                let left = format!("{mark} {:<9}", if *what == before { "" } else { what });
                let left = if *tone == Tone::Good { left } else { paper::toned(&left, *tone, colour) };
                out.push_str(&format!("{left} {words}\n"));
            }
            before = what;
        }
        out
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let step = |Step { what, tone, words }: &Step| {
            let state = match tone {
                Tone::Good => "ok",
                Tone::Odd => "note",
                Tone::Bad => "fails",
            };
            json!({ "step": what, "state": state, "text": words })
        };
        self.steps.iter().map(step).collect()
    }
}

//! The last lines of the log that want somebody's attention, for the page that people look at. A burst pushes the oldest out.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Lines that are kept.
const MOST: usize = 40;
/// Characters of one.
const LONGEST: usize = 1000;

/// A line.
#[derive(Debug, Clone)]
pub struct Recent {
    /// When.
    pub time: SystemTime,
    /// `warning`, `error` or `critical`.
    pub level: &'static str,
    /// Envoy's name of the logger.
    pub logger: &'static str,
    /// What was said.
    pub message: String,
}

/// Those that are kept.
#[derive(Default)]
pub(super) struct Lines(Mutex<VecDeque<Recent>>);

impl Lines {
    /// Adds one.
    pub fn push(&self, time: SystemTime, level: &'static str, logger: &'static str, message: &str) {
        let message = message.chars().take(LONGEST).collect();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MOST {
            lines.pop_front();
        }
        lines.push_back(Recent { time, level, logger, message });
    }

    /// All of them, the newest first.
    pub fn list(&self) -> Vec<Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

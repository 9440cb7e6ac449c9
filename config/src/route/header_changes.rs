//! Header changes of one level: of a table, host, route or weighted cluster. Made by [`headers`](super::headers).

use std::sync::Arc;

use crate::access_log::Format;

/// Header changes of one level.
#[derive(Debug, Clone, Default)]
pub struct HeaderChanges {
    /// On requests.
    pub request_add: Vec<HeaderAdd>,
    /// On requests, lower case.
    pub request_remove: Vec<Arc<str>>,
    /// On responses.
    pub response_add: Vec<HeaderAdd>,
    /// On responses, lower case.
    pub response_remove: Vec<Arc<str>>,
}

impl HeaderChanges {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.request_add.is_empty()
            && self.request_remove.is_empty()
            && self.response_add.is_empty()
            && self.response_remove.is_empty()
    }
}

/// `HeaderValueOption`.
#[derive(Debug, Clone)]
pub struct HeaderAdd {
    /// Lower case.
    pub name: Arc<str>,
    /// May hold `%COMMAND%` operators.
    pub value: Format,
    /// `append_action`.
    pub action: AppendAction,
    /// `keep_empty_value`.
    pub keep_empty: bool,
}

/// `HeaderValueOption.append_action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendAction {
    /// Another value beside what is there.
    AppendOrAdd,
    /// Only when absent.
    AddIfAbsent,
    /// In place of what is there, or new.
    OverwriteOrAdd,
    /// Only in place of what is there.
    OverwriteIfExists,
}

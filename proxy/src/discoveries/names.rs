//! What the names of one kind of filter are. Held by `Discoveries`, one for each kind.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use config::Policy;
use config::filters::discovery::Discovery;

use super::{Found, State};

/// All of one kind that are known.
pub(super) struct Names<C>(RefCell<HashMap<Arc<str>, State<C>>>);

/// What was there before; nothing where nothing was put.
pub(super) type Before<C> = Option<Option<State<C>>>;

impl<C> Default for Names<C> {
    fn default() -> Self {
        Names(RefCell::default())
    }
}

impl<C: Clone> Names<C> {
    /// What a filter of this name is for a chain that says this.
    pub fn resolve(&self, name: &str, discovery: &Discovery<C>) -> Found<C> {
        let default = discovery.default.as_ref();
        let lacks = |wanted: &Policy| default.is_some_and(|default| wanted.exceeds(&default.policy));
        let may_stand_in = match self.0.borrow().get(name) {
            None | Some(State::Absent) => true,
            Some(State::Is(typed)) if discovery.allows(&typed.type_name) => return Found::Is(typed.clone()),
            // Policy that a chain does not get lets nothing pass.
            Some(State::Is(typed)) => !lacks(&typed.policy),
            Some(State::Refused(withheld)) => !withheld.wholly && !lacks(&withheld.policy),
        };
        if may_stand_in && default.is_some() { Found::Default } else { Found::Nothing }
    }

    /// Whether it is something that may not be of any of these types.
    pub fn conflicts(&self, name: &str, types: &[Arc<str>]) -> bool {
        matches!(self.0.borrow().get(name), Some(State::Is(typed)) if !types.contains(&typed.type_name))
    }

    /// Whether there is nothing to wait for.
    pub fn is_settled(&self, name: &str) -> bool {
        self.0.borrow().contains_key(name)
    }

    /// Whether there is none, and it is known.
    pub fn is_absent(&self, name: &str) -> bool {
        matches!(self.0.borrow().get(name), Some(State::Absent))
    }

    /// It becomes this, if it becomes anything.
    pub fn put(&self, name: &Arc<str>, state: Option<State<C>>) -> Before<C> {
        state.map(|state| self.0.borrow_mut().insert(name.clone(), state))
    }

    /// It is again what it was.
    pub fn put_back(&self, name: &Arc<str>, before: Before<C>) {
        match before {
            Some(Some(state)) => drop(self.0.borrow_mut().insert(name.clone(), state)),
            Some(None) => self.forget(name),
            None => {}
        }
    }

    /// Nobody names it any more.
    pub fn forget(&self, name: &str) {
        self.0.borrow_mut().remove(name);
    }
}

//! `%CEL(expression)%`: what it says, and room for what the proxy makes of it. Made by `parameters`.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::cel::Expr;

/// An expression whose value is printed.
#[derive(Debug, Clone)]
pub struct Calculated {
    /// It.
    pub expression: Arc<Expr>,
    /// `TYPED_CEL`: in JSON it keeps its type.
    pub typed: bool,
    made: Made,
}

#[derive(Clone, Default)]
struct Made(Arc<OnceLock<Box<dyn Any + Send + Sync>>>);

impl fmt::Debug for Made {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Made")
    }
}

impl Calculated {
    /// Of an expression.
    pub fn new(expression: Expr, typed: bool) -> Calculated {
        Calculated { expression: Arc::new(expression), typed, made: Made::default() }
    }

    /// What is made of the expression, by whoever asks first. All ask for the same type.
    pub fn made<T: Send + Sync + 'static>(&self, make: impl FnOnce(&Expr) -> T) -> Option<&T> {
        self.made.0.get_or_init(|| Box::new(make(&self.expression))).downcast_ref()
    }
}

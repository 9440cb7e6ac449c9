//! CEL as an operator writes it in a text: into the same tree that a control plane sends, which `decode` reads. Called through the
//! folder's front. A parser of our own, for the language without comprehensions and messages is small, and those that there are bring a
//! parser generator's runtime; it goes as deep as it is told, and no further.

use envoy_types::pb::google::api::expr::v1alpha1 as pb;
use pb::expr::ExprKind as Kind;

use lexer::{Lexer, Token};

mod lexer;
mod literal;
mod primary;

/// What is wrong, and the octet where that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub offset: usize,
    pub reason: String,
}

impl Fault {
    fn new(offset: usize, reason: impl Into<String>) -> Fault {
        Fault { offset, reason: reason.into() }
    }
}

/// How deep expressions may stand in each other.
const DEEPEST: usize = 64;
/// Longer ones are no expressions of a person.
const LONGEST: usize = 64 * 1024;

/// An expression. The `id` of each part is the octet where it begins, counted from 1.
pub(super) fn parse(text: &str) -> Result<pb::Expr, Fault> {
    if text.len() > LONGEST {
        return Err(Fault::new(0, format!("is longer than {LONGEST} octets")));
    }
    let mut parser = Parser { lexer: Lexer::new(text)?, depth: 0, height: 0 };
    let whole = parser.expression()?;
    match parser.lexer.peek() {
        Token::End => Ok(whole),
        _ => Err(parser.unexpected("the end, or an operator")),
    }
}

/// Line and column of an octet, as editors count them.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// Expressions that are being read, one in the other.
    depth: usize,
    /// How deep what was read last is.
    height: usize,
}

impl Parser<'_> {
    /// `a ? b : c`, and all below.
    fn expression(&mut self) -> Result<pb::Expr, Fault> {
        let start = self.lexer.offset();
        if self.depth == DEEPEST {
            return Err(Fault::new(start, format!("stands in {DEEPEST} others; that is too deep")));
        }
        self.depth += 1;
        let mut whole = self.either()?;
        if self.lexer.takes("?") {
            let mut below = self.height;
            let then = self.either()?;
            below = below.max(self.height);
            self.expect(":")?;
            let otherwise = self.expression()?;
            below = below.max(self.height);
            whole = self.call(start, below, "_?_:_", vec![whole, then, otherwise])?;
        }
        self.depth -= 1;
        Ok(whole)
    }

    fn either(&mut self) -> Result<pb::Expr, Fault> {
        self.balanced("||", "_||_", Self::both)
    }

    fn both(&mut self) -> Result<pb::Expr, Fault> {
        self.balanced("&&", "_&&_", Self::relation)
    }

    fn relation(&mut self) -> Result<pb::Expr, Fault> {
        const OPERATORS: [(&str, &str); 7] =
            [("<=", "_<=_"), (">=", "_>=_"), ("==", "_==_"), ("!=", "_!=_"), ("<", "_<_"), (">", "_>_"), ("in", "@in")];
        self.chain(&OPERATORS, Self::sum)
    }

    fn sum(&mut self) -> Result<pb::Expr, Fault> {
        self.chain(&[("+", "_+_"), ("-", "_-_")], Self::product)
    }

    fn product(&mut self) -> Result<pb::Expr, Fault> {
        self.chain(&[("*", "_*_"), ("/", "_/_"), ("%", "_%_")], Self::unary)
    }

    /// Operators that bind to the left.
    fn chain(
        &mut self,
        operators: &[(&str, &str)],
        next: fn(&mut Self) -> Result<pb::Expr, Fault>,
    ) -> Result<pb::Expr, Fault> {
        let start = self.lexer.offset();
        let mut whole = next(self)?;
        while let Some((_, function)) = operators.iter().find(|(sign, _)| self.lexer.takes(sign)) {
            let below = self.height;
            let other = next(self)?;
            whole = self.call(start, below.max(self.height), function, vec![whole, other])?;
        }
        Ok(whole)
    }

    /// `!a` and `-a`: of two of them in a row nothing is left.
    fn unary(&mut self) -> Result<pb::Expr, Fault> {
        let start = self.lexer.offset();
        let (sign, function) = match self.lexer.peek() {
            Token::Sign("!") => ("!", "!_"),
            Token::Sign("-") => ("-", "-_"),
            _ => return self.member(),
        };
        let mut count = 0;
        // The last minus before a number is the number's.
        while !(sign == "-" && self.lexer.is_number_behind_minus()) && self.lexer.takes(sign) {
            count += 1;
        }
        let operand = self.member()?;
        if count % 2 == 1 { self.call(start, self.height, function, vec![operand]) } else { Ok(operand) }
    }

    /// Operators whose order is nobody's matter: one on top of the other would be as deep as the list is long.
    fn balanced(
        &mut self,
        sign: &str,
        function: &str,
        next: fn(&mut Self) -> Result<pb::Expr, Fault>,
    ) -> Result<pb::Expr, Fault> {
        let start = self.lexer.offset();
        let mut all = vec![next(self)?];
        let mut below = self.height;
        while self.lexer.takes(sign) {
            all.push(next(self)?);
            below = below.max(self.height);
        }
        self.height = below;
        while all.len() > 1 {
            let mut rest = all.into_iter();
            let mut paired = Vec::new();
            below = self.height;
            while let Some(one) = rest.next() {
                paired.push(match rest.next() {
                    Some(other) => self.call(start, below, function, vec![one, other])?,
                    None => one,
                });
            }
            all = paired;
        }
        Ok(all.pop().unwrap_or_default())
    }

    fn call(&mut self, start: usize, below: usize, function: &str, args: Vec<pb::Expr>) -> Result<pb::Expr, Fault> {
        let call = pb::expr::Call { target: None, function: function.to_owned(), args };
        self.made(start, below, Kind::CallExpr(Box::new(call)))
    }

    /// A part of the tree, with parts of that height below it.
    fn made(&mut self, start: usize, below: usize, kind: Kind) -> Result<pb::Expr, Fault> {
        if below >= DEEPEST {
            return Err(Fault::new(start, format!("{DEEPEST} parts stand on each other; that is too deep")));
        }
        self.height = below + 1;
        let id = i64::try_from(start).unwrap_or(i64::MAX).saturating_add(1);
        Ok(pb::Expr { id, expr_kind: Some(kind) })
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        match self.lexer.takes(sign) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("{sign:?}"))),
        }
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let found = match self.lexer.peek() {
            Token::End => "the end".to_owned(),
            _ => format!("{:?}", self.lexer.current()),
        };
        Fault::new(self.lexer.offset(), format!("{wanted} is wanted here, and there is {found}"))
    }
}

#[cfg(test)]
mod tests;

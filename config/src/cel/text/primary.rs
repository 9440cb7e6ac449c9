//! Names, constants, lists, maps and what stands behind them: `a.b`, `a[b]`, `a.b(c)`. Called by the parser.

use envoy_types::pb::google::api::expr::v1alpha1 as pb;
use pb::expr::ExprKind as Kind;

use super::lexer::Token;
use super::literal;
use super::{Fault, Parser};

/// Words that are no names.
const RESERVED: [&str; 18] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "in",
];

impl Parser<'_> {
    pub(super) fn member(&mut self) -> Result<pb::Expr, Fault> {
        let start = self.lexer.offset();
        let mut whole = self.primary()?;
        loop {
            if self.lexer.takes(".") {
                whole = self.behind_dot(start, whole)?;
            } else if self.lexer.takes("[") {
                let below = self.height;
                let key = self.expression()?;
                self.expect("]")?;
                whole = self.call(start, below.max(self.height), "_[_]", vec![whole, key])?;
            } else {
                return Ok(whole);
            }
        }
    }

    fn behind_dot(&mut self, start: usize, whole: pb::Expr) -> Result<pb::Expr, Fault> {
        let at = self.lexer.offset();
        let name = self.name()?;
        if !self.lexer.takes("(") {
            let select = pb::expr::Select { operand: Some(Box::new(whole)), field: name, test_only: false };
            return self.made(start, self.height, Kind::SelectExpr(Box::new(select)));
        }
        let below = self.height;
        let args = self.list(")")?;
        let is_variable = matches!(args.first().and_then(|one| one.expr_kind.as_ref()), Some(Kind::IdentExpr(_)));
        let counts: &[usize] = match name.as_str() {
            "all" | "exists" | "exists_one" | "existsOne" | "filter" => &[2],
            "map" => &[2, 3],
            _ => &[],
        };
        if is_variable && counts.contains(&args.len()) {
            return Err(Fault::new(
                at,
                "comprehensions (all, exists, map, filter) are not allowed, as in Envoy; write it without them",
            ));
        }
        let called = pb::expr::Call { target: Some(Box::new(whole)), function: name, args };
        self.made(start, below.max(self.height), Kind::CallExpr(Box::new(called)))
    }

    fn primary(&mut self) -> Result<pb::Expr, Fault> {
        let start = self.lexer.offset();
        let token = self.lexer.peek().clone();
        if let Some(constant) = self.constant(&token)? {
            let constant = pb::Constant { constant_kind: Some(constant) };
            return self.made(start, 0, Kind::ConstExpr(constant));
        }
        match token {
            Token::Sign("(") => {
                self.lexer.skip();
                let inside = self.expression()?;
                self.expect(")")?;
                Ok(inside)
            }
            Token::Sign("[") => {
                self.lexer.skip();
                let list = pb::expr::CreateList { elements: self.list("]")?, optional_indices: Vec::new() };
                self.made(start, self.height, Kind::ListExpr(list))
            }
            Token::Sign("{") => {
                self.lexer.skip();
                self.map(start)
            }
            Token::Sign(".") => {
                self.lexer.skip();
                self.named(start)
            }
            Token::Word => self.named(start),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// A name, or a function of that name.
    fn named(&mut self, start: usize) -> Result<pb::Expr, Fault> {
        let at = self.lexer.offset();
        let name = self.name()?;
        if RESERVED.contains(&name.as_str()) {
            return Err(Fault::new(at, format!("{name} is a reserved word, and no name")));
        }
        if !self.lexer.takes("(") {
            return self.made(start, 0, Kind::IdentExpr(pb::expr::Ident { name }));
        }
        let args = self.list(")")?;
        match (name.as_str(), &args[..]) {
            ("has", [pb::Expr { expr_kind: Some(Kind::SelectExpr(select)), .. }]) if !select.test_only => {
                let select = pb::expr::Select { test_only: true, ..(**select).clone() };
                self.made(start, self.height, Kind::SelectExpr(Box::new(select)))
            }
            ("has", _) => Err(Fault::new(at, "has takes one selection: has(a.b)")),
            _ => self.call(start, self.height, &name, args),
        }
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.lexer.peek() {
            Token::Word => {
                let name = self.lexer.current().to_owned();
                self.lexer.skip();
                Ok(name)
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    fn constant(&mut self, token: &Token) -> Result<Option<pb::constant::ConstantKind>, Fault> {
        use pb::constant::ConstantKind as Constant;
        let start = self.lexer.offset();
        let word = self.lexer.current();
        let found = match token {
            Token::Word => match word {
                "true" => Constant::BoolValue(true),
                "false" => Constant::BoolValue(false),
                "null" => Constant::NullValue(0),
                _ => return Ok(None),
            },
            Token::Number => literal::number(word).map_err(|reason| Fault::new(start, reason))?,
            Token::Text => literal::text(word).map_err(|reason| Fault::new(start, reason))?,
            // Of a number: `unary` has left it.
            Token::Sign("-") if self.lexer.is_number_behind_minus() => {
                self.lexer.skip();
                let number = format!("-{}", self.lexer.current());
                literal::number(&number).map_err(|reason| Fault::new(start, reason))?
            }
            _ => return Ok(None),
        };
        self.lexer.skip();
        Ok(Some(found))
    }

    /// What is between commas, as high as the highest of it, up to a closing sign; one more comma may stand before the latter.
    fn list(&mut self, end: &'static str) -> Result<Vec<pb::Expr>, Fault> {
        let (mut all, mut below) = (Vec::new(), 0);
        while !self.lexer.takes(end) {
            all.push(self.expression()?);
            below = below.max(self.height);
            if !self.lexer.takes(",") {
                self.expect(end)?;
                break;
            }
            if end == ")" && *self.lexer.peek() == Token::Sign(end) {
                return Err(self.unexpected("a value"));
            }
        }
        self.height = below;
        Ok(all)
    }

    fn map(&mut self, start: usize) -> Result<pb::Expr, Fault> {
        use pb::expr::create_struct::{Entry, entry::KeyKind};
        let (mut entries, mut below) = (Vec::new(), 0);
        while !self.lexer.takes("}") {
            let key = self.expression()?;
            below = below.max(self.height);
            self.expect(":")?;
            let value = Some(self.expression()?);
            below = below.max(self.height);
            entries.push(Entry { key_kind: Some(KeyKind::MapKey(key)), value, ..Entry::default() });
            if !self.lexer.takes(",") {
                self.expect("}")?;
                break;
            }
        }
        self.made(start, below, Kind::StructExpr(pb::expr::CreateStruct { entries, ..Default::default() }))
    }
}

//! What is found when templates are loaded, and not only when a visitor comes by: names that lead nowhere.

use std::collections::{HashMap, HashSet};

use minijinja::machinery::{ast, parse};
use minijinja::{Environment, ErrorKind};

use crate::failure::{Failure, Kind};

/// Checks the names of templates, filters, tests and functions in all of `sources` that can be parsed.
pub(crate) fn references(env: &Environment<'static>, sources: &HashMap<String, String>) -> Vec<Failure> {
    let parsed: Vec<(&String, &String, ast::Stmt<'_>)> = sources
        .iter()
        .filter_map(|(name, text)| parse(text, name, env.syntax().clone()).ok().map(|ast| (name, text, ast)))
        .collect();
    // An included template sees what the including one defines, so what any template defines may be called in all.
    let mut defined = HashSet::from(["super", "self", "loop", "caller"].map(String::from));
    for (_, _, ast) in &parsed {
        let mut names = Visitor::new(env, sources);
        names.statement(ast);
        defined.extend(names.defined);
    }
    let mut failures = Vec::new();
    for (name, text, ast) in &parsed {
        let mut visitor = Visitor::new(env, sources);
        visitor.statement(ast);
        for (function, line) in std::mem::take(&mut visitor.called) {
            if !defined.contains(function) {
                visitor.unknown("function", function, env.globals().map(|(name, _)| name), line);
            }
        }
        failures.extend(
            visitor.faults.into_iter().map(|(line, message)| Failure::at(Kind::Syntax, message, name, text, line)),
        );
    }
    failures
}

/// The known word nearest to `given`, at most a third of its length away.
pub(crate) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if given.len() > 100 {
        return None;
    }
    known
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .filter(|(distance, word)| *distance <= (given.len().max(word.len()) / 3).max(1))
        .min()
        .map(|(_, word)| word)
}

struct Visitor<'v, 'a> {
    env: &'v Environment<'static>,
    sources: &'v HashMap<String, String>,
    /// Names that get a value somewhere.
    defined: HashSet<String>,
    /// Calls of plain names, with their lines.
    called: Vec<(&'a str, usize)>,
    faults: Vec<(usize, String)>,
}

impl<'v, 'a> Visitor<'v, 'a> {
    fn new(env: &'v Environment<'static>, sources: &'v HashMap<String, String>) -> Self {
        Self { env, sources, defined: HashSet::new(), called: Vec::new(), faults: Vec::new() }
    }

    fn unknown<'k>(&mut self, what: &str, name: &str, known: impl Iterator<Item = &'k str>, line: usize) {
        let hint = nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        self.faults.push((line, format!("there is no {what} `{name}`{hint}")));
    }

    /// A template that is named in another one.
    fn template(&mut self, name: &ast::Expr<'_>) {
        let ast::Expr::Const(constant) = name else { return };
        let sources = self.sources;
        if let Some(name) = constant.value.as_str()
            && !sources.contains_key(name)
        {
            self.unknown("template", name, sources.keys().map(String::as_str), constant.span().start_line.into());
        }
    }

    fn target(&mut self, target: &ast::Expr<'a>) {
        match target {
            ast::Expr::Var(var) => {
                self.defined.insert(var.id.into());
            }
            ast::Expr::List(list) => list.items.iter().for_each(|item| self.target(item)),
            ast::Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.target(item)),
            other => self.expression(other),
        }
    }

    fn body(&mut self, body: &[ast::Stmt<'a>]) {
        body.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &ast::Stmt<'a>) {
        match statement {
            ast::Stmt::Template(template) => self.body(&template.children),
            ast::Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            ast::Stmt::EmitRaw(_) | ast::Stmt::Continue(_) | ast::Stmt::Break(_) => {}
            ast::Stmt::ForLoop(each) => {
                self.target(&each.target);
                self.expression(&each.iter);
                each.filter_expr.iter().for_each(|filter| self.expression(filter));
                self.body(&each.body);
                self.body(&each.else_body);
            }
            ast::Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                self.body(&condition.true_body);
                self.body(&condition.false_body);
            }
            ast::Stmt::WithBlock(with) => {
                for (target, value) in &with.assignments {
                    self.target(target);
                    self.expression(value);
                }
                self.body(&with.body);
            }
            ast::Stmt::Set(set) => {
                self.target(&set.target);
                self.expression(&set.expr);
            }
            ast::Stmt::SetBlock(set) => {
                self.target(&set.target);
                set.filter.iter().for_each(|filter| self.expression(filter));
                self.body(&set.body);
            }
            ast::Stmt::AutoEscape(escape) => {
                let line = escape.span().start_line.into();
                self.faults.push((
                    line,
                    "`autoescape` can't be changed: the template's ending decides. Use `|safe` on what is markup"
                        .into(),
                ));
                self.body(&escape.body);
            }
            ast::Stmt::FilterBlock(filter) => {
                self.expression(&filter.filter);
                self.body(&filter.body);
            }
            ast::Stmt::Block(block) => self.body(&block.body),
            ast::Stmt::Import(import) => {
                self.template(&import.expr);
                self.expression(&import.expr);
                self.target(&import.name);
            }
            ast::Stmt::FromImport(import) => {
                self.template(&import.expr);
                self.expression(&import.expr);
                for (name, alias) in &import.names {
                    self.target(alias.as_ref().unwrap_or(name));
                }
            }
            ast::Stmt::Extends(extends) => {
                self.template(&extends.name);
                self.expression(&extends.name);
            }
            ast::Stmt::Include(include) => {
                if !include.ignore_missing {
                    self.template(&include.name);
                }
                self.expression(&include.name);
            }
            ast::Stmt::Macro(declared) => self.declare(declared),
            ast::Stmt::CallBlock(block) => {
                self.call(&block.call, block.call_expr_span.start_line.into());
                self.declare(&block.macro_decl);
            }
            ast::Stmt::Do(action) => self.call(&action.call, action.call.span().start_line.into()),
        }
    }

    fn declare(&mut self, declared: &ast::Macro<'a>) {
        self.defined.insert(declared.name.into());
        declared.args.iter().for_each(|arg| self.target(arg));
        declared.defaults.iter().for_each(|default| self.expression(default));
        self.body(&declared.body);
    }

    fn call(&mut self, call: &ast::Call<'a>, line: usize) {
        match &call.expr {
            ast::Expr::Var(var) if self.env.globals().all(|(known, _)| known != var.id) => {
                self.called.push((var.id, line));
            }
            other => self.expression(other),
        }
        self.arguments(&call.args);
    }

    fn arguments(&mut self, args: &[ast::CallArg<'a>]) {
        for arg in args {
            match arg {
                ast::CallArg::Pos(expr)
                | ast::CallArg::Kwarg(_, expr)
                | ast::CallArg::PosSplat(expr)
                | ast::CallArg::KwargSplat(expr) => self.expression(expr),
            }
        }
    }

    fn expression(&mut self, expression: &ast::Expr<'a>) {
        let line = expression.span().start_line.into();
        match expression {
            ast::Expr::Var(_) | ast::Expr::Const(_) => {}
            ast::Expr::Slice(slice) => {
                self.expression(&slice.expr);
                [&slice.start, &slice.stop, &slice.step].into_iter().flatten().for_each(|part| self.expression(part));
            }
            ast::Expr::UnaryOp(op) => self.expression(&op.expr),
            ast::Expr::BinOp(op) => {
                self.expression(&op.left);
                self.expression(&op.right);
            }
            ast::Expr::Compare(compare) => {
                self.expression(&compare.expr);
                compare.ops.iter().for_each(|op| self.expression(&op.expr));
            }
            ast::Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr);
                self.expression(&choice.true_expr);
                choice.false_expr.iter().for_each(|other| self.expression(other));
            }
            ast::Expr::Filter(filter) => {
                let missing = |name: &str| {
                    let result = self.env.empty_state().apply_filter(name, &[]);
                    matches!(result, Err(error) if error.kind() == ErrorKind::UnknownFilter)
                };
                if missing(filter.name) {
                    self.unknown("filter", filter.name, crate::filters::names(), line);
                }
                filter.expr.iter().for_each(|input| self.expression(input));
                self.arguments(&filter.args);
            }
            ast::Expr::Test(test) => {
                let result = self.env.empty_state().perform_test(test.name, &[]);
                if matches!(result, Err(error) if error.kind() == ErrorKind::UnknownTest) {
                    self.unknown("test", test.name, std::iter::empty(), line);
                }
                self.expression(&test.expr);
                self.arguments(&test.args);
            }
            ast::Expr::GetAttr(get) => self.expression(&get.expr),
            ast::Expr::GetItem(get) => {
                self.expression(&get.expr);
                self.expression(&get.subscript_expr);
            }
            ast::Expr::Call(call) => self.call(call, line),
            ast::Expr::List(list) => list.items.iter().for_each(|item| self.expression(item)),
            ast::Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expression(item)),
            ast::Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|part| self.expression(part)),
        }
    }
}

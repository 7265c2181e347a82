//! The parser.

use crate::lex::{SyntaxError, Token};
use core::iter::Peekable;
use ulib::vec::{self, Vec};

/// Limit on nested parentheses: parsing and running recurse.
const DEEPEST: usize = 40;

/// Commands in sequence.
#[derive(Debug)]
pub(crate) struct List(pub(crate) Vec<Item>);

/// A command of a list.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) chain: Chain,
    /// Whether it runs in the background.
    pub(crate) background: bool,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) first: Pipeline,
    pub(crate) rest: Vec<(Condition, Pipeline)>,
}

/// When the next pipeline of a chain runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    IfDone,
    IfFailed,
}

/// Commands connected by pipes. Never empty.
#[derive(Debug)]
pub(crate) struct Pipeline(pub(crate) Vec<Command>);

/// A command and its redirections.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) what: What,
    pub(crate) redirects: Vec<Redirect>,
}

/// What a command does.
#[derive(Debug)]
pub(crate) enum What {
    /// Runs a program or a builtin; empty for redirections only.
    Words(Vec<Vec<u8>>),
    /// Runs a list in a subshell.
    Group(List),
}

/// A file in place of standard input or output.
#[derive(Debug)]
pub(crate) struct Redirect {
    pub(crate) mode: Mode,
    pub(crate) file: Vec<u8>,
}

/// How a redirection opens its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
    Append,
}

/// Parses the tokens of a line.
pub(crate) fn parse(tokens: Vec<Token>) -> Result<List, SyntaxError> {
    let mut parser = Parser {
        tokens: tokens.into_iter().peekable(),
        depth: 0,
    };
    let list = parser.list()?;
    match parser.tokens.next() {
        None => Ok(list),
        found => Err(SyntaxError::Unexpected {
            expected: "a command",
            found,
        }),
    }
}

struct Parser {
    tokens: Peekable<vec::IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    /// Consumes the next token if it is this one.
    fn take(&mut self, token: &Token) -> bool {
        self.tokens.next_if(|next| next == token).is_some()
    }

    fn list(&mut self) -> Result<List, SyntaxError> {
        let mut items = Vec::new();
        while !matches!(self.tokens.peek(), None | Some(Token::Close)) {
            let chain = self.chain()?;
            let background = self.take(&Token::Background);
            let more = background || self.take(&Token::Then);
            items.push(Item { chain, background });
            if !more {
                break;
            }
        }
        Ok(List(items))
    }

    fn chain(&mut self) -> Result<Chain, SyntaxError> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let condition = if self.take(&Token::And) {
                Condition::IfDone
            } else if self.take(&Token::Or) {
                Condition::IfFailed
            } else {
                return Ok(Chain { first, rest });
            };
            rest.push((condition, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, SyntaxError> {
        let mut commands = Vec::new();
        loop {
            commands.push(self.command()?);
            if !self.take(&Token::Pipe) {
                return Ok(Pipeline(commands));
            }
        }
    }

    fn command(&mut self) -> Result<Command, SyntaxError> {
        if self.take(&Token::Open) {
            return self.group();
        }
        let mut words = Vec::new();
        let mut redirects = Vec::new();
        loop {
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
            } else if let Some(Token::Word(word)) =
                self.tokens.next_if(|next| matches!(next, Token::Word(_)))
            {
                words.push(word);
            } else if words.is_empty() && redirects.is_empty() {
                let found = self.tokens.next();
                return Err(SyntaxError::Unexpected {
                    expected: "a command",
                    found,
                });
            } else {
                return Ok(Command {
                    what: What::Words(words),
                    redirects,
                });
            }
        }
    }

    /// Parses a subshell after its opening parenthesis.
    fn group(&mut self) -> Result<Command, SyntaxError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(SyntaxError::TooDeep);
        }
        let list = self.list()?;
        if list.0.is_empty() || !self.take(&Token::Close) {
            let expected = if list.0.is_empty() {
                "a command"
            } else {
                "`)`"
            };
            return Err(SyntaxError::Unexpected {
                expected,
                found: self.tokens.next(),
            });
        }
        self.depth -= 1;
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
        }
        Ok(Command {
            what: What::Group(list),
            redirects,
        })
    }

    fn redirect(&mut self) -> Result<Option<Redirect>, SyntaxError> {
        let mode = if self.take(&Token::From) {
            Mode::Read
        } else if self.take(&Token::To) {
            Mode::Write
        } else if self.take(&Token::Append) {
            Mode::Append
        } else {
            return Ok(None);
        };
        match self.tokens.next() {
            Some(Token::Word(file)) => Ok(Some(Redirect { mode, file })),
            found => Err(SyntaxError::Unexpected {
                expected: "a file name",
                found,
            }),
        }
    }
}

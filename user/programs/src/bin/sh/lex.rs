//! The lexer.

use core::fmt;
use ulib::vec::Vec;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(Vec<u8>),
    /// `<`
    From,
    /// `>`
    To,
    /// `>>`
    Append,
    /// `|`
    Pipe,
    /// `;`
    Then,
    /// `&`
    Background,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `(`
    Open,
    /// `)`
    Close,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Token::Word(word) => return write!(f, "`{}`", word.escape_ascii()),
            Token::From => "`<`",
            Token::To => "`>`",
            Token::Append => "`>>`",
            Token::Pipe => "`|`",
            Token::Then => "`;`",
            Token::Background => "`&`",
            Token::And => "`&&`",
            Token::Or => "`||`",
            Token::Open => "`(`",
            Token::Close => "`)`",
        })
    }
}

/// A syntax error.
#[derive(Debug)]
pub(crate) enum SyntaxError {
    /// An unclosed quote.
    OpenQuote(u8),
    /// A backslash at the end of the line.
    OpenEscape,
    /// An unexpected token.
    Unexpected {
        expected: &'static str,
        found: Option<Token>,
    },
    /// Parentheses nested too deep.
    TooDeep,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("syntax error: ")?;
        match self {
            SyntaxError::OpenQuote(quote) => {
                write!(f, "missing closing {}", char::from(*quote))
            }
            SyntaxError::OpenEscape => f.write_str("trailing \\"),
            SyntaxError::Unexpected {
                expected,
                found: Some(token),
            } => {
                write!(f, "expected {expected}, found {token}")
            }
            SyntaxError::Unexpected {
                expected,
                found: None,
            } => {
                write!(f, "expected {expected}, found the end of the line")
            }
            SyntaxError::TooDeep => f.write_str("parentheses nested too deep"),
        }
    }
}

/// Splits a line into tokens.
pub(crate) fn lex(line: &[u8]) -> Result<Vec<Token>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut rest = line;
    while let [first, tail @ ..] = rest {
        let (token, length) = match (first, tail.first()) {
            (b' ' | b'\t' | b'\r', _) => {
                rest = tail;
                continue;
            }
            (b'#', _) => break,
            (b'>', Some(b'>')) => (Token::Append, 2),
            (b'&', Some(b'&')) => (Token::And, 2),
            (b'|', Some(b'|')) => (Token::Or, 2),
            (b'<', _) => (Token::From, 1),
            (b'>', _) => (Token::To, 1),
            (b'|', _) => (Token::Pipe, 1),
            (b'&', _) => (Token::Background, 1),
            (b';', _) => (Token::Then, 1),
            (b'(', _) => (Token::Open, 1),
            (b')', _) => (Token::Close, 1),
            _ => {
                let (word, length) = word(rest)?;
                (Token::Word(word), length)
            }
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// The word at the start of `text`, unquoted, and its length in the source.
fn word(text: &[u8]) -> Result<(Vec<u8>, usize), SyntaxError> {
    let mut word = Vec::new();
    let mut quote = None;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(b'"'), b'\\') if matches!(text.get(at), Some(b'"' | b'\\')) => {
                word.push(text[at]);
                at += 1;
            }
            (Some(_), _) => word.push(byte),
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'\\') => {
                word.push(*text.get(at).ok_or(SyntaxError::OpenEscape)?);
                at += 1;
            }
            (None, b' ' | b'\t' | b'\r' | b'<' | b'>' | b'|' | b'&' | b';' | b'(' | b')') => {
                at -= 1;
                break;
            }
            (None, _) => word.push(byte),
        }
    }
    match quote {
        Some(open) => Err(SyntaxError::OpenQuote(open)),
        None => Ok((word, at)),
    }
}

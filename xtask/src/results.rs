//! Writes the results of `grade` as JUnit XML or Gradescope's `results.json`.

use crate::build::replace;
use anyhow::{Result, bail};
use serde_json::json;
use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

/// Bytes kept of a test's output, from its end.
const SHOWN: usize = 8000;

/// The verdict of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    NotRun,
    Passed,
    Failed,
}

/// The result of a test.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) points: u32,
    pub(crate) verdict: Verdict,
    /// The output shown to the student.
    pub(crate) output: String,
}

impl Test {
    fn score(&self) -> u32 {
        if self.verdict == Verdict::Passed {
            self.points
        } else {
            0
        }
    }
}

/// All tests of a lab, in order.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) lab: String,
    /// The name of the graded tree.
    pub(crate) tree: String,
    pub(crate) tests: Vec<Test>,
    pub(crate) seconds: f64,
}

/// The file for the results, and its format.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    form: fn(&Results) -> String,
}

impl Target {
    /// Chooses the format by the file's extension.
    ///
    /// # Errors
    ///
    /// It is neither `.xml` nor `.json`.
    pub(crate) fn new(path: &Path) -> Result<Target> {
        let form = match path.extension().and_then(|extension| extension.to_str()) {
            Some("xml") => Results::junit,
            Some("json") => Results::gradescope,
            _ => bail!(
                "OUT={}: expected a name ending in .json (Gradescope) or .xml (JUnit)",
                path.display()
            ),
        };
        Ok(Target {
            path: path.to_path_buf(),
            form,
        })
    }

    /// Writes or replaces the file.
    pub(crate) fn write(&self, results: &Results) -> Result<()> {
        replace(&self.path, (self.form)(results).as_bytes())
    }
}

impl Results {
    /// Points earned and possible.
    pub(crate) fn score(&self) -> (u32, u32) {
        let earned = self.tests.iter().map(Test::score).sum();
        (earned, self.tests.iter().map(|test| test.points).sum())
    }

    fn gradescope(&self) -> String {
        let test = |test: &Test| {
            json!({
                "name": test.name,
                "score": test.score(),
                "max_score": test.points,
                "status": if test.verdict == Verdict::Passed { "passed" } else { "failed" },
                "output": shown(&test.output),
                "visibility": "visible",
            })
        };
        let (earned, points) = self.score();
        let results = json!({
            "score": earned,
            "execution_time": self.seconds,
            "output": format!("{}\nlab {}: {earned} of {points} points", self.tree, self.lab),
            "extra_data": { "tree": self.tree },
            "visibility": "visible",
            "stdout_visibility": "hidden",
            "tests": self.tests.iter().map(test).collect::<Vec<_>>(),
        });
        format!("{results:#}\n")
    }

    fn junit(&self) -> String {
        let count = |verdict| {
            let tests = self.tests.iter();
            tests.filter(|test| test.verdict == verdict).count()
        };
        let tree = escape(&self.tree);
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuite name=\"{} of {tree}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{:.3}\">\n\
             <properties><property name=\"tree\" value=\"{tree}\"/></properties>\n",
            escape(&self.lab),
            self.tests.len(),
            count(Verdict::Failed),
            count(Verdict::NotRun),
            self.seconds,
        );
        for test in &self.tests {
            let content = match test.verdict {
                Verdict::Passed => String::new(),
                Verdict::NotRun => "<skipped/>".to_owned(),
                Verdict::Failed => {
                    let text = escape(shown(&test.output));
                    format!("<failure message=\"no points\">{text}</failure>")
                }
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                xml,
                "<testcase classname=\"{}\" name=\"{}\">{content}</testcase>",
                escape(&self.lab),
                escape(test.name),
            );
        }
        xml + "</testsuite>\n"
    }
}

/// The end of a text, at most [`SHOWN`] bytes.
fn shown(text: &str) -> &str {
    let start = text.len().saturating_sub(SHOWN);
    let start = (start..=text.len()).find(|&at| text.is_char_boundary(at));
    &text[start.unwrap_or(0)..]
}

/// Escapes text for XML, and drops characters that XML forbids.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => {
                escaped.push(c);
            }
            _ => {}
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn results(output: &str) -> Results {
        let test = |name, verdict, output: &str| Test {
            name,
            points: 20,
            verdict,
            output: output.to_owned(),
        };
        Results {
            lab: "lazy".into(),
            tree: "class/a & b".into(),
            tests: vec![
                test("map", Verdict::Passed, ""),
                test("a <b> & \"c\"", Verdict::Failed, output),
                test("late", Verdict::NotRun, ""),
            ],
            seconds: 1.5,
        }
    }

    /// Text that a console may show.
    fn odd() -> String {
        String::from_utf8_lossy(b"\0\x01\x1b[31m\"\\</failure>\xff\xfe\r\n").into_owned()
    }

    #[test]
    fn gradescope_json_is_valid_for_any_output() {
        let json: Value = serde_json::from_str(&results(&odd()).gradescope()).unwrap();
        assert_eq!(json["score"], 20);
        assert_eq!(json["extra_data"]["tree"], "class/a & b");
        assert_eq!(json["tests"][0]["status"], "passed");
        assert_eq!(json["tests"][1]["score"], 0);
        assert_eq!(json["tests"][1]["max_score"], 20);
        assert_eq!(json["tests"][1]["output"], odd().as_str());
        assert_eq!(json["tests"][2]["status"], "failed");
    }

    #[test]
    fn xml_is_valid_for_any_output() {
        let xml = results(&odd()).junit();
        assert!(
            xml.contains("name=\"a &lt;b&gt; &amp; &quot;c&quot;\""),
            "{xml}"
        );
        assert!(
            xml.contains("[31m&quot;\\&lt;/failure&gt;\u{fffd}\u{fffd}\n</failure>"),
            "{xml}"
        );
        assert!(
            xml.contains("<property name=\"tree\" value=\"class/a &amp; b\"/>"),
            "{xml}"
        );
        assert!(
            xml.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""),
            "{xml}"
        );
        assert!(xml.chars().all(|c| c >= ' ' || c == '\n'), "{xml:?}");
    }

    #[test]
    fn a_long_output_is_cut_between_characters() {
        let long = "é".repeat(SHOWN);
        let json: Value = serde_json::from_str(&results(&(long + "x")).gradescope()).unwrap();
        let output = json["tests"][1]["output"].as_str().unwrap();
        assert!(
            (SHOWN - 1..=SHOWN).contains(&output.len()),
            "{}",
            output.len()
        );
        assert!(output.ends_with("éx"), "the end is kept");
    }

    #[test]
    fn the_extension_decides_the_format() {
        assert!(Target::new(Path::new("a/results.json")).is_ok());
        assert!(Target::new(Path::new("results.xml")).is_ok());
        assert!(Target::new(Path::new("results")).is_err());
        assert!(Target::new(Path::new("results.txt")).is_err());
    }
}

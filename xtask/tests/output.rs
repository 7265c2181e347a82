//! What becomes of xtask's output.

use std::io::pipe;
use std::process::Command;

#[test]
fn ends_without_a_word_when_nobody_reads() {
    for verb in [&["help"][..], &["test", "--list"]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let end = xtask.args(verb).stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&end.stderr);
        assert_eq!((end.status.code(), &*said), (Some(141), ""), "{verb:?}");
    }
}

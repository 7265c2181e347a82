//! C programs given on the command line, as for a course's tests.

use super::{
    Bench, Check, Layer, Log, Outcome,
    scenarios::{LIMIT, finish, front, run, text, wanted},
};
use crate::c::Compiler;
use anyhow::{Result, ensure};
use std::fs;

pub(super) fn checks() -> Vec<Check> {
    vec![check("c-sources", c_sources), check("c-grade", c_grade)]
}

fn check(name: &str, work: fn(&Bench, &mut Log) -> Result<()>) -> Check {
    Check::new(name, Layer::Guest(LIMIT), move |bench, log| {
        if Compiler::find().is_none() {
            let reason = "no C compiler for the guest; `scripts/setup c` installs one";
            return Ok(Outcome::Skipped(reason.into()));
        }
        work(bench, log).map(|()| Outcome::Passed(1))
    })
}

/// C programs of both dialects compile, and again after a change, with warnings for 32-bit code;
/// invalid programs and long names are refused.
fn c_sources(bench: &Bench, log: &mut Log) -> Result<()> {
    let classic = |says: &str| {
        format!(
            "#include \"types.h\"\n#include \"user.h\"\nint main(void) {{ int p = (int)malloc(9); \
             if (p > 0) printf(1, \"{says} %d\\n\", p % 16); exit(); }}\n"
        )
    };
    let program = bench.file("sayit.c", classic("first").as_bytes())?;
    let settings = [("CMD", "sayit"), ("ADD", text(&program)?)];
    let (status, output) = run(bench, log, &settings)?;
    wanted(&output, "warning:")?;
    wanted(&output, "first 0")?;
    ensure!(status == 0, "exit status {status}, wanted 0");
    fs::write(&program, classic("second"))?;
    let (_, output) = run(bench, log, &settings)?;
    wanted(&output, "second 0")?;

    let riscv = "#include \"kernel/types.h\"\n#include \"user/user.h\"\nint main(int argc, char **argv) \
                 { printf(\"%s of %d\\n\", argv[1], argc); return 5; }\n";
    let program = bench.file("count.c", riscv.as_bytes())?;
    let settings = [("CMD", "count one two"), ("ADD", text(&program)?)];
    let (status, output) = run(bench, log, &settings)?;
    wanted(&output, "one of 3")?;
    ensure!(status == 5, "exit status {status}, wanted 5");

    let image = bench.dir.join("c.img");
    let arguments = ["image", text(&image)?, "--programs", "sh init"];
    let command = front(bench, "scripts/xtask", &arguments, &settings[1..]);
    let (status, output) = finish(log, command, None)?;
    wanted(&output, "2 programs and 1 added")?;
    ensure!(status == 0, "exit status {status} of an image");

    let wrong = bench.file("wrong.c", b"int main(void) { return x; }\n")?;
    let (status, output) = run(bench, log, &[("CMD", "wrong"), ("ADD", text(&wrong)?)])?;
    ensure!(status != 0, "a program with an error was taken");
    wanted(&output, "wrong.c")?;
    let long = bench.file("fifteen_letters.c", riscv.as_bytes())?;
    let (status, output) = run(bench, log, &[("CMD", "ls"), ("ADD", text(&long)?)])?;
    ensure!(status != 0, "a name too long for the disk was taken");
    wanted(&output, "at most 14 bytes, this one 15")
}

/// Points by lines of output, with the course's own tests.
fn c_grade(bench: &Bench, log: &mut Log) -> Result<()> {
    let saying = |lines: &str| {
        format!("#include \"user/user.h\"\nint main(void) {{ printf(\"{lines}\"); return 0; }}\n")
    };
    let dir = bench.dir.join("grade");
    fs::create_dir_all(&dir)?;
    let (lazy, user) = (dir.join("lazytests.c"), dir.join("usertests.c"));
    let good = "test lazy alloc: OK\\ntest lazy unmap: OK\\ntest out of memory: OK\\n";
    fs::write(&lazy, saying(good))?;
    fs::write(&user, saying("ALL TESTS PASSED\\n"))?;
    let files = format!("{} {}", text(&lazy)?, text(&user)?);
    let settings = [("ADD", files.as_str())];
    let grade = || front(bench, "scripts/xtask", &["grade", "lazy"], &settings);
    let (status, output) = finish(log, grade(), None)?;
    wanted(&output, "lazy: map: OK (20/20)")?;
    wanted(&output, "Score: 100/100")?;
    ensure!(status == 0, "exit status {status} for all points");

    fs::write(
        &lazy,
        saying("test lazy alloc: OK\\ntest lazy unmap: FAILED\\n"),
    )?;
    let (status, output) = finish(log, grade(), None)?;
    wanted(&output, "lazy: map: OK (20/20)")?;
    wanted(&output, "lazy: unmap: FAIL (0/20)")?;
    wanted(&output, "Score: 60/100")?;
    ensure!(status != 0, "a success with 60 points of 100");
    Ok(())
}

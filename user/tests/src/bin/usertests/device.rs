//! Devices.

use harness::{Expect, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::io::{Read, Write};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "device-nodes" = nodes,
    "device-unknown" = unknown,
    "console" = console;
    slow:;
};

fn nodes() -> Outcome {
    fs::make_device("device", abi::CONSOLE, 0).or_fail("mknod")?;
    expect!(
        fs::metadata("device").is_ok_and(|about| about.is_device()),
        "a device"
    );
    expect!(
        fs::make_device("device", abi::CONSOLE, 0).is_err(),
        "mknod of an existing name to fail"
    );
    expect!(
        fs::make_device("missing/x", 1, 0).is_err(),
        "mknod in a missing directory to fail"
    );
    expect!(
        ulib::env::set_current_dir("device").is_err(),
        "chdir to a device to fail"
    );
    let error = ulib::process::Command::new("device").exec();
    expect!(error.is_err(), "exec of a device to fail");
    fs::hard_link("device", "link").or_fail("link a device")?;
    fs::remove_file("device").or_fail("remove it")?;
    fs::remove_file("link").or_fail("remove its second name")
}

/// Major numbers without a device.
fn unknown() -> Outcome {
    for major in [0, 2, 9, 10, 100, i16::MAX, -1, i16::MIN] {
        if fs::make_device("device", major, 0).is_err() {
            continue;
        }
        // The node may be refused on open or on use.
        if let Ok(mut file) = File::options().read(true).write(true).open("device") {
            expect!(
                file.read(&mut [0]).is_err(),
                "reading device {major} to fail"
            );
            expect!(
                file.write(&[0]).is_err(),
                "writing to device {major} to fail"
            );
        }
        fs::remove_file("device").or_fail("remove the node")?;
    }
    Ok(())
}

fn console() -> Outcome {
    let mut console = File::options()
        .write(true)
        .open("/console")
        .or_fail("open the console")?;
    let about = console.metadata().or_fail("stat it")?;
    expect!(about.is_device(), "a device, saw {about:?}");
    expect_eq!(
        console.write(b"").or_fail("write nothing")?,
        0,
        "bytes written"
    );
    expect!(
        console.read(&mut [0]).is_err(),
        "reading what is open for writing to fail"
    );
    for address in crate::pointers::WILD {
        let n = ulib::sys::write(console.as_raw_fd(), address as *const u8, 1);
        expect_eq!(n, -1, "write to the console from {address:#x}");
    }
    Ok(())
}

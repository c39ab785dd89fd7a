//! What a confined script asks for: programs that only a real host has, and their answers.
//!
//! A request is the number of its arguments in decimal digits and a newline, then each argument and a NUL; the first is
//! the program's name. 0 says that the confinement is complete. A reply is one line with the exit code and the lengths
//! of output and errors, then both. `call.sh` speaks the other side; anything at all may be behind it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// The longest request, in bytes.
pub(super) const MAX_REQUEST: usize = 64 * 1024;
/// The most arguments of one: each takes at least its NUL.
const MAX_COUNT_DIGITS: usize = 5;

/// Answers for the programs that a script finds on its host but not on the build machine.
pub trait Commands {
    /// What `program`, named without its folder, does with these arguments.
    fn call(&mut self, program: &str, arguments: &[OsString]) -> Reply;
}

/// What such a program did. NULs in its texts get lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Exit code.
    pub code: u8,
    /// Written to its standard output.
    pub output: Vec<u8>,
    /// Written to its standard error.
    pub errors: Vec<u8>,
}

impl Reply {
    /// The bytes for the socket.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} {}\n", self.code, self.output.len(), self.errors.len()).into_bytes();
        bytes.extend_from_slice(&self.output);
        bytes.extend_from_slice(&self.errors);
        bytes
    }
}

/// One request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The confinement is complete, the script begins.
    Ready,
    Call {
        program: String,
        arguments: Vec<OsString>,
    },
}

/// Takes the first request off the front of what has arrived; none if it is not complete yet.
///
/// # Errors
/// What arrived is no request.
pub(super) fn take(arrived: &mut Vec<u8>) -> Result<Option<Request>, &'static str> {
    let Some(line) = arrived.iter().take(MAX_COUNT_DIGITS + 1).position(|byte| *byte == b'\n') else {
        return match arrived.len() > MAX_COUNT_DIGITS {
            true => Err("it does not begin with a number of arguments"),
            false => Ok(None),
        };
    };
    let digits = arrived.get(..line).unwrap_or_default();
    let count = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let count: usize =
        count.and_then(|digits| digits.parse().ok()).ok_or("it does not begin with a number of arguments")?;
    let mut arguments = Vec::new();
    let mut rest = arrived.get(line + 1..).unwrap_or_default();
    while arguments.len() < count {
        let Some(end) = rest.iter().position(|byte| *byte == 0) else {
            return match arrived.len() > MAX_REQUEST {
                true => Err("it is too long"),
                false => Ok(None),
            };
        };
        let (argument, after) = rest.split_at(end);
        arguments.push(OsString::from_vec(argument.to_vec()));
        rest = after.get(1..).unwrap_or_default();
    }
    *arrived = rest.to_vec();
    if arguments.is_empty() {
        return Ok(Some(Request::Ready));
    }
    let program = arguments.remove(0).into_string().map_err(|_| "the program's name is not UTF-8")?;
    Ok(Some(Request::Call { program, arguments }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_taken_once_it_is_complete() {
        let whole = b"3\nrpm\0-q\0two\nlines\0".to_vec();
        for length in 0..whole.len() {
            assert_eq!(take(&mut whole[..length].to_vec()), Ok(None), "after {length} bytes");
        }
        let mut arrived = [whole.as_slice(), b"0\nx"].concat();
        let arguments = vec!["-q".into(), "two\nlines".into()];
        assert_eq!(take(&mut arrived), Ok(Some(Request::Call { program: "rpm".into(), arguments })));
        assert_eq!(take(&mut arrived), Ok(Some(Request::Ready)));
        assert_eq!(arrived, b"x");
    }

    #[test]
    fn arguments_may_be_empty_or_any_bytes() {
        let mut arrived = b"3\nxe\0\0\xff\x01\0".to_vec();
        let arguments = vec![OsString::new(), OsString::from_vec(vec![0xff, 1])];
        assert_eq!(take(&mut arrived), Ok(Some(Request::Call { program: "xe".into(), arguments })));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for garbage in ["rpm\n", "\n", "-1\n", "+1\n", "999999", "abcdef", "1\n\u{0}x"] {
            let mut arrived = garbage.as_bytes().to_vec();
            let first = take(&mut arrived);
            assert!(first.is_err() || take(&mut arrived) == Ok(None), "{garbage:?}: {first:?}");
        }
        assert!(take(&mut b"1\n\xff\0".to_vec()).is_err());
        assert!(take(&mut [b"1\n".as_slice(), &[b'x'; MAX_REQUEST]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            while let Ok(Some(_)) = take(&mut bytes) {}
        }
    }
}

//! Numbers of bytes as Docker's commands write them (docker/go-units, `size.go`).

const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const DECIMAL: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// In steps of 1024, with four digits: `15.63MiB`.
#[must_use]
pub(super) fn binary(bytes: u64) -> String {
    with_unit(bytes, 1024.0, BINARY, 4)
}

/// In steps of 1000, with three digits: `1.26kB`.
#[must_use]
pub(super) fn decimal(bytes: u64) -> String {
    with_unit(bytes, 1000.0, DECIMAL, 3)
}

fn with_unit(bytes: u64, step: f64, units: [&str; 7], digits: usize) -> String {
    let mut size = bytes as f64;
    let mut units = units.into_iter();
    let mut unit = units.next().unwrap_or_default();
    while size >= step {
        let Some(next) = units.next() else { break };
        (size, unit) = (size / step, next);
    }
    format!("{}{unit}", significant(size, digits))
}

/// With so many digits, as `%.4g` of C does it for numbers that need no exponent: zeros at the end are left out.
fn significant(number: f64, digits: usize) -> String {
    // Rounding can make a digit more, as of 999.96 with four.
    let whole_digits = |number: f64| number.abs().max(1.0).log10().floor() as usize + 1;
    let decimals = digits.saturating_sub(whole_digits(number));
    let rounded = format!("{number:.decimals$}");
    let decimals = digits.saturating_sub(whole_digits(rounded.parse().unwrap_or(number)));
    let text = format!("{number:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_docker_does() {
        let sizes = [0, 1, 1023, 1024, 16_389_000, 1 << 30, 1_048_575, u64::MAX];
        let wanted = ["0B", "1B", "1023B", "1KiB", "15.63MiB", "1GiB", "1024KiB", "16EiB"];
        assert_eq!(sizes.map(binary), wanted);
        let sizes = [999, 1000, 1_260, 12_345, 999_999, 656_000_000_000];
        assert_eq!(sizes.map(decimal), ["999B", "1kB", "1.26kB", "12.3kB", "1000kB", "656GB"]);
    }
}

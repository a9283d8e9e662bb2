//! Counts, sizes and shares, as people read them.

/// A count with a comma between thousands: `2,418`.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `2 files`.
pub(crate) fn plural(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A size in units of 1024, with a digit behind the point where there is one before it: `38 KB`, `7.4 GB`.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KB", "MB", "GB", "TB", "PB"];
    let (mut divisor, mut unit) = (1u64, 0);
    while size / divisor >= 1024 && unit + 1 < UNITS.len() {
        divisor *= 1024;
        unit += 1;
    }
    let tenths = (u128::from(size) * 10 + u128::from(divisor / 2)) / u128::from(divisor);
    match (unit, tenths) {
        (1.., 0..100) => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{} {}", (tenths + 5) / 10, UNITS[unit]),
    }
}

/// A part of a whole, from 0 to 1.
#[allow(clippy::cast_precision_loss, reason = "it becomes a percentage")]
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64).clamp(0.0, 1.0) }
}

/// A share as a percentage: `18 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", whole(share * 100.0))
}

/// So many processors: `4 %`, `150 %`, where 100 % is one of them; a tenth where there is little.
pub(crate) fn processors(processors: f64) -> String {
    match processors * 100.0 {
        small if small > 0.0 && small < 9.95 => format!("{} %", tenths(small)),
        percent => format!("{} %", whole(percent)),
    }
}

/// A share as a length in CSS.
pub(crate) fn length(share: f64) -> String {
    format!("{}%", tenths(share * 100.0))
}

/// A number with one digit behind the point. The formatting of `f64` itself is a tenth of the page.
pub(crate) fn tenths(number: f64) -> String {
    let tenths = whole(number * 10.0);
    let sign = if tenths < 0 { "-" } else { "" };
    format!("{sign}{}.{}", (tenths / 10).abs(), (tenths % 10).abs())
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "shares, pixels and seconds are small, and others are capped"
)]
fn whole(number: f64) -> i64 {
    number.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(plural(1, "line", "lines"), "1 line");
        assert_eq!(plural(2418, "line", "lines"), "2,418 lines");
    }

    #[test]
    fn sizes_have_three_digits() {
        let sizes = [0, 512, 1024, 38 * 1024 + 100, 7_945_689_497, 1000 * 1024];
        assert_eq!(sizes.map(bytes), ["0 B", "512 B", "1.0 KB", "38 KB", "7.4 GB", "1000 KB"]);
    }

    #[test]
    fn a_share_of_nothing_is_nothing() {
        assert_eq!(percent(share(1, 0)), "0 %");
        assert_eq!(percent(share(81, 100)), "81 %");
        assert_eq!([0.0, 0.004, 0.123, 1.5].map(processors), ["0 %", "0.4 %", "12 %", "150 %"]);
        assert_eq!(length(share(1, 3)), "33.3%");
        assert_eq!([0.0, 12.34, -0.26, 20.0].map(tenths), ["0.0", "12.3", "-0.3", "20.0"]);
    }
}

//! How this process describes itself to another process that finds its run folder locked.

use std::process::Command;
use std::time::{Duration, SystemTime};

/// The ID of this process, its host, and the time, in one line.
pub fn process_name() -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("process {} on {} since {}", std::process::id(), host(), utc(now))
}

/// The name of this computer.
fn host() -> String {
    let linux = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let other = || String::from_utf8(Command::new("hostname").output().ok()?.stdout).ok();
    let name = linux.or_else(other).map(|name| name.trim().to_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "an unknown host".to_owned())
}

/// The time `since_1970` as date and time of day. The calendar's algorithm is `civil_from_days` of Howard Hinnant 2013,
/// "chrono-compatible low-level date algorithms", for dates after 1970.
fn utc(since_1970: Duration) -> String {
    let (days, seconds) = (since_1970.as_secs() / 86_400, since_1970.as_secs() % 86_400);
    // Days since 1 March of the year 0, in cycles of 400 years.
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC", year + 400 * cycle + carry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let date = |seconds| utc(Duration::from_secs(seconds));
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(1_709_251_200), "2024-03-01 00:00:00 UTC");
        assert_eq!(date(4_102_444_799), "2099-12-31 23:59:59 UTC");
    }

    #[test]
    fn a_process_says_which_one_it_is() {
        let name = process_name();
        assert!(name.starts_with(&format!("process {} on ", std::process::id())), "{name}");
        assert!(name.ends_with(" UTC") && !name.contains('\n'), "{name}");
    }
}

//! Markdown: tables with aligned columns, and blocks of a page that a program writes.

use anyhow::{Context, Result};

/// Groups the digits of a count: 10000 becomes 10,000.
pub fn thousands(count: impl ToString) -> String {
    let digits = count.to_string();
    let (mut text, mut before) = (String::new(), digits.len());
    for digit in digits.chars() {
        if before < digits.len() && before.is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
        before -= 1;
    }
    text
}

/// A number with this many decimal places, or a hyphen for none.
pub fn number(value: Option<f64>, places: usize) -> String {
    value.map_or("-".into(), |value| format!("{value:.places$}"))
}

/// The cells of a row.
pub fn words<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// A table whose first row is the head. Cells are padded to the width of their column. Columns from number `right` on are
/// aligned to the right.
pub fn table(rows: &[Vec<String>], right: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let line = |row: &Vec<String>| {
        let cell = |(column, (text, &width)): (usize, (&String, &usize))| {
            if column < right { format!("| {text:<width$} ") } else { format!("| {text:>width$} ") }
        };
        row.iter().zip(&widths).enumerate().map(cell).collect::<String>() + "|"
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    let rule = |(column, width): (usize, &usize)| {
        format!("|{}{}", "-".repeat(width + 1), if column < right { '-' } else { ':' })
    };
    lines.insert(lines.len().min(1), widths.iter().enumerate().map(rule).collect::<String>() + "|");
    lines.join("\n")
}

/// `page` with `text` between the lines `<!-- NAME -->` and `<!-- end NAME -->`.
///
/// # Errors
/// If the page does not have these lines.
pub fn replace_block(page: &str, name: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end {name} -->\n"));
    let after = |from: usize, mark: &str| {
        page[from..]
            .find(mark)
            .map(|at| from + at)
            .with_context(|| format!("found no line `{}`", mark.trim_end()))
    };
    let from = after(0, &begin)? + begin.len();
    let to = after(from, &end)?;
    Ok(format!("{}\n{}\n\n{}", &page[..from], text.trim_end(), &page[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_and_missing_numbers_are_hyphens() {
        let grouped = [0, 999, 1000, 291_217, 1_000_000].map(|count: u64| thousands(count));
        assert_eq!(grouped, ["0", "999", "1,000", "291,217", "1,000,000"]);
        assert_eq!([number(Some(0.04321), 3), number(None, 3)], ["0.043", "-"]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["run", "steps"], ["ink ±", "7"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, 1), "| run   | steps |\n|-------|------:|\n| ink ± |     7 |");
    }

    #[test]
    fn a_block_is_replaced_and_the_rest_is_kept() {
        let page = "a\n<!-- x -->\nold\n<!-- end x -->\nb\n";
        let fresh = replace_block(page, "x", "new\n").unwrap();
        assert_eq!(fresh, "a\n<!-- x -->\n\nnew\n\n<!-- end x -->\nb\n");
        assert_eq!(replace_block(&fresh, "x", "new").unwrap(), fresh);
        assert!(replace_block(page, "y", "").unwrap_err().to_string().contains("<!-- y -->"));
        assert!(replace_block("<!-- x -->\n", "x", "").unwrap_err().to_string().contains("<!-- end x -->"));
    }
}

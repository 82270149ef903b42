//! Tables that fit the terminal.

/// `text` cut to `width` characters, with an ellipsis where something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain((width > 0).then_some('…')).collect()
}

/// A column of a table.
pub struct Column {
    /// What stands above it.
    pub title: &'static str,
    /// Whether cells are aligned at the right, as numbers are.
    pub align_right: bool,
    /// 0 for a column that is always shown. Of the other columns, the one with the highest rank is left out first.
    pub rank: u8,
    /// One cell for each row.
    pub cells: Vec<String>,
}

impl Column {
    fn width(&self) -> usize {
        self.cells
            .iter()
            .map(|cell| cell.chars().count())
            .chain([self.title.chars().count()])
            .max()
            .unwrap_or(0)
    }
}

/// Spaces between two columns.
const GAP: usize = 2;
/// The smallest width that a column of text is cut to.
const SHORTEST: usize = 6;

/// The lines of a table that is at most `width` characters wide. Columns that are empty or do not fit are left out; if the
/// rest is still too wide, the widest texts are cut.
pub fn table(mut columns: Vec<Column>, width: usize) -> Vec<String> {
    columns.retain(|column| column.rank == 0 || column.cells.iter().any(|cell| !cell.is_empty()));
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    let mut widths: Vec<usize> = columns.iter().map(Column::width).collect();
    while total(&widths) > width {
        let last = columns.iter().enumerate().filter(|(_, column)| column.rank > 0);
        let Some((at, _)) = last.max_by_key(|(_, column)| column.rank) else { break };
        columns.remove(at);
        widths.remove(at);
    }
    while total(&widths) > width {
        let texts = columns.iter().zip(&mut widths).filter(|(column, _)| !column.align_right);
        match texts.map(|(_, width)| width).max() {
            Some(widest) if *widest > SHORTEST => *widest -= 1,
            _ => break,
        }
    }
    let rows = columns.iter().map(|column| column.cells.len()).max().unwrap_or(0);
    let cell = |column: &Column, width: usize, row: Option<usize>| {
        let text = row.map_or(column.title, |row| column.cells.get(row).map_or("", String::as_str));
        let text = cut(text, width);
        if column.align_right { format!("{text:>width$}") } else { format!("{text:<width$}") }
    };
    let line = |row: Option<usize>| {
        let cells: Vec<String> =
            columns.iter().zip(&widths).map(|(column, &width)| cell(column, width, row)).collect();
        cells.join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    std::iter::once(None).chain((0..rows).map(Some)).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_leaves_out_columns_and_then_cuts_texts() {
        let column = |title, align_right, rank, cell: &str| Column {
            title,
            align_right,
            rank,
            cells: vec![cell.into()],
        };
        let columns = || {
            vec![
                column("run", false, 0, "a-rather-long-name"),
                column("loss", true, 0, "0.1"),
                column("speed", true, 2, "560"),
                column("disk", true, 1, "8 MB"),
                column("nothing", true, 1, ""),
            ]
        };
        assert_eq!(
            table(columns(), 40),
            ["run                 loss  speed  disk", "a-rather-long-name   0.1    560  8 MB"]
        );
        assert_eq!(
            table(columns(), 36),
            ["run                 loss  disk", "a-rather-long-name   0.1  8 MB"]
        );
        assert_eq!(table(columns(), 16), ["run         loss", "a-rather-…   0.1"]);
        assert_eq!(table(columns(), 3)[1], "a-rat…   0.1", "a table has a smallest width");
    }
}

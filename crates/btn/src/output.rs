//! What goes to standard output: plain text and tables for people, or one JSON value.

use serde::Serialize;
use std::io::Write as _;

/// Writes text and a line end to standard output. A reader that has gone (`btn … | head`) is no error.
pub fn print_line(text: &str) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{text}");
    let _ = output.flush();
}

/// As [`print_line`], to standard error.
pub fn print_note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes one JSON value, indented, to standard output.
///
/// # Errors
/// The value has no JSON form.
pub fn print_json(value: &impl Serialize) -> eyre::Result<()> {
    print_line(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A table for people: columns as wide as their longest cell, two spaces apart.
#[must_use]
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<_> = cells.zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut header.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_clean() {
        let rows = vec![vec!["master".to_owned(), "1".to_owned()], vec!["m".to_owned(), "12345".to_owned()]];
        assert_eq!(table(&["role", "pid"], &rows), "role    pid\nmaster  1\nm       12345");
        assert_eq!(table(&["a", "b"], &[]), "a  b");
    }
}

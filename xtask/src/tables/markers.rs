//! Blocks of a Markdown page between `<!-- NAME -->` and `<!-- end NAME -->`, each on a line of its own.

use anyhow::{Context, Result};

/// `page` with `text` as its block `name`.
pub fn replace(page: &str, name: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end {name} -->\n"));
    let from =
        page.find(&begin).with_context(|| format!("found no line `{}`", begin.trim_end()))? + begin.len();
    let to = page[from..].find(&end).with_context(|| format!("found no line `{}`", end.trim_end()))? + from;
    Ok(format!("{}\n{}\n\n{}", &page[..from], text.trim_end(), &page[to..]))
}

#[cfg(test)]
mod tests {
    use super::replace;

    #[test]
    fn a_block_is_replaced_and_the_rest_is_kept() {
        let page = "a\n<!-- x -->\nold\n<!-- end x -->\nb\n";
        let fresh = replace(page, "x", "new\n").unwrap();
        assert_eq!(fresh, "a\n<!-- x -->\n\nnew\n\n<!-- end x -->\nb\n");
        assert_eq!(replace(&fresh, "x", "new").unwrap(), fresh);
        assert!(replace(page, "y", "").unwrap_err().to_string().contains("<!-- y -->"));
        assert!(replace("<!-- x -->\n", "x", "").unwrap_err().to_string().contains("<!-- end x -->"));
    }
}

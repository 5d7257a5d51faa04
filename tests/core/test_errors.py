"""An error for the user is one line that can be shown, whatever was found."""

from lilm.errors import LONGEST, LilmError


def test_what_was_found_may_be_a_whole_file_and_no_text() -> None:
    line = LilmError("a" * 10**6 + "\n", where="f.json\ud800", remedy="mend\nit").line()
    assert line.startswith("f.json\\ud800: aaa") and line.endswith("… — mend it")
    assert len(line.encode()) < LONGEST + 50

from skdistill._text_tables import align

ROWS = [("class", "F1", "texts"), ("joy", "93.4", "1,695"), ("surprise", "8.5", "")]


def test_the_first_column_stands_to_the_left_and_others_to_the_right():
    assert align(ROWS).splitlines() == [
        "class       F1  texts",
        "joy       93.4  1,695",
        "surprise   8.5",
    ]


def test_a_rule_is_as_wide_as_its_column():
    assert align(ROWS, rule=True).splitlines()[:2] == [
        "class       F1  texts",
        "--------  ----  -----",
    ]

import numpy as np
from sklearn.base import clone

from skdistill import DistilledMLPClassifier, TransformerTeacherClassifier, make_tfidf_baseline
from skdistill.labelling._labeler import SoftLabeler, teacher_fingerprint
from skdistill.labelling._shared_teacher import SharedTeacher


def test_a_shared_teacher_is_fitted_once(topics, tmp_path):
    texts, labels = topics
    teacher = SharedTeacher(make_tfidf_baseline())
    student = DistilledMLPClassifier(teacher, max_epochs=1, random_state=0)
    student.fit(texts[:60], labels[:60])
    inside = teacher.estimator[-1].coef_
    labeler = SoftLabeler(teacher, texts[:60], labels[:60], memory=tmp_path)
    expected = make_tfidf_baseline().fit(texts[:60], labels[:60]).predict_proba(texts[60:])
    np.testing.assert_allclose(labeler.label(texts[60:]), expected, rtol=1e-6)
    assert labeler.fitted_teacher().estimator[-1].coef_ is inside


def test_its_answers_are_kept_under_the_name_of_the_teacher_inside(topics):
    texts, labels = topics
    for teacher in (make_tfidf_baseline(C=3), TransformerTeacherClassifier("name")):
        expected = teacher_fingerprint(teacher, texts, labels)
        assert teacher_fingerprint(SharedTeacher(clone(teacher)), texts, labels) == expected
    shared = SharedTeacher(make_tfidf_baseline(C=3)).fit(texts, labels)
    expected = teacher_fingerprint(make_tfidf_baseline(C=3), texts, labels)
    assert teacher_fingerprint(shared, texts, labels) == expected


def test_it_gives_what_a_transformer_knows_of_words(tiny_checkpoint, topics):
    teacher = TransformerTeacherClassifier(tiny_checkpoint, max_epochs=1, random_state=0)
    shared = SharedTeacher(teacher)
    assert shared.known_words() == teacher.known_words()
    texts, labels = topics[0][:40], topics[1][:40]
    words = texts[0].split()
    vectors = teacher.word_vectors(words)
    baseline = SharedTeacher(make_tfidf_baseline())
    assert not hasattr(baseline, "word_vectors")
    assert not hasattr(baseline, "known_words")
    student = DistilledMLPClassifier(
        shared, embedding_init="teacher", augmenter=None, max_epochs=1, random_state=0
    )
    assert student.fit(texts, labels).transfer_size_ == 40
    # Fitted or not, it makes the same texts.
    assert (teacher.word_vectors(words) != vectors).any()
    np.testing.assert_array_equal(shared.word_vectors(words), vectors)

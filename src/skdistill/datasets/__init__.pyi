from skdistill.datasets._load import read_texts as read_texts

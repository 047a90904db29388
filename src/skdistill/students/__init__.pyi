from skdistill.metrics._cascade_curve import cascade_curve as cascade_curve
from skdistill.students.training._schedule import make_schedule as make_schedule

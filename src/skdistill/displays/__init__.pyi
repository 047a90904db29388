from skdistill.displays._tradeoff import pareto_front as pareto_front

#pragma once

namespace lilm {

void forget_sampler();  // it belongs to the model

}  // namespace lilm
